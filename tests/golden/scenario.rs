//! A scenario, as it is read: a story, a catalog, and steps one after the other.

use crate::catalog;
use crate::covers::{Claim, Content};
use crate::expect::Expectation;
use crate::facts::{self, Said};
use crate::plan::{Asked, Part};
use crate::reconcile::Decide;
use crate::requests::Wish;
use crate::words::{self, Named};
use crate::yaml::{Entry, Node, Reading, mistake, read};
use provost_domain::Timestamp;
use std::path::Path;

/// A scenario.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// The file's name.
    pub(crate) file: String,
    /// What it shows, in a line.
    pub(crate) title: String,
    /// Rows of the feature checklist that it shows.
    pub(crate) covers: Vec<Claim>,
    /// What stands in it.
    pub(crate) content: Content,
    /// The catalog that it begins with.
    pub(crate) catalog: Node,
    /// The services see by themselves that a date fell due; else only steps compute.
    pub(crate) watches_dates: bool,
    /// What happens.
    pub(crate) steps: Vec<Step>,
}

/// One step.
#[derive(Debug)]
pub(crate) struct Step {
    /// The line that it begins on.
    pub(crate) line: usize,
    /// What is done.
    pub(crate) act: Act,
    /// It must be refused, in words that hold these.
    pub(crate) refused: Option<String>,
    /// The answer must hold these words.
    pub(crate) says: Vec<String>,
    /// The generation, or the run, must end so.
    pub(crate) ends: Option<String>,
}

/// What a step does.
#[derive(Debug)]
pub(crate) enum Act {
    /// Sets the clock.
    At(Timestamp),
    /// The systems hold this from now on.
    Facts(Vec<(String, usize, Said)>),
    /// The catalog is this from now on: changes of the one before, or another one.
    Catalog(Change),
    /// Reads the systems, and computes.
    Synchronize(Reads),
    /// Computes the role model.
    Compute(Of),
    /// Generates orders.
    Generate { force_review: bool, waive_review: bool, despite_thresholds: bool },
    /// Runs a job, beside an agent that does its work.
    Job { name: String, waive_review: bool, force_review: bool },
    /// Resumes the blocked run, with this comment.
    Resume(String),
    /// Lets the blocked run go, with this comment.
    LetGo(String),
    /// Decides on an order under review.
    Review { verdict: Verdict, order: Named, line: usize, comment: String },
    /// The agent takes an order, and says nothing yet.
    Take { order: Named, line: usize },
    /// The agent says what became of an order; or of all that it can take.
    Feedback { order: Option<(Named, usize)>, outcome: Outcome, write: bool },
    /// A person says what became of an order that is written by hand.
    Manual { order: Named, line: usize, error: Option<String>, write: bool },
    /// An Errored order is tried again.
    Unblock { order: Named, line: usize },
    /// An order is given up.
    Cancel { order: Named, line: usize },
    /// Asks that an owner is given something.
    Request(Wish),
    /// Asks that something is taken away from an owner.
    Revoke(Wish),
    /// Takes a request back.
    Withdraw(Wish),
    /// Decides on the step of a request that waits.
    Decide { verdict: Verdict, wish: Wish },
    /// Decides on something that was found.
    Reconcile(Decide),
    /// Takes what differs for Pre-existing: of one resource type, or of all.
    Baseline(String),
    /// Asks what would be done.
    Plan(Asked),
    /// Applies the plan, or a part of it.
    Apply(Part),
    /// What must hold now.
    Expect(Box<Expectation>),
}

/// For whom the role model is computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    /// Everybody.
    All,
    /// Those whom something concerns that changed.
    Changed,
    /// These owners, by key.
    These(Vec<String>),
}

/// Another catalog.
#[derive(Debug)]
pub(crate) enum Change {
    /// This one.
    Whole(Node),
    /// The one before, with changes.
    With(Node),
}

/// How the systems are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// At once.
    All,
    /// The exports begin, and show what the systems hold now.
    Begin,
    /// The exports that began arrive.
    End,
}

/// What a reviewer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Approve,
    Decline,
    Postpone,
}

/// What an agent says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Executed,
    HandedOver,
    Failed { message: String, class: String },
}

/// Reads a scenario file. `folder` is the one that holds `catalogs`.
pub(crate) fn scenario(folder: &Path, file: &str, text: &str) -> Reading<Scenario> {
    let root = read(text)?;
    let fields = root.fields("a scenario", &["title", "story", "covers", "catalog", "with", "dates", "steps"])?;
    let title = fields.required("title")?.text("'title'")?;
    fields.required("story")?.text("'story'")?;
    let covers = match fields.get("covers") {
        None => vec![],
        Some(node) => {
            let claim = |node: &Node| -> Reading<Claim> {
                let text = node.text("a row, or a word")?;
                Ok(text.parse().map_or(Claim::Word(text), Claim::Row))
            };
            node.list("'covers'")?.iter().map(claim).collect::<Reading<_>>()?
        }
    };
    let mut catalog = whole(folder, fields.required("catalog")?)?;
    let content = Content::of(&root, &catalog);
    if let Some(changes) = fields.get("with") {
        catalog = catalog::changed(&catalog, changes)?;
    }
    let watches_dates = match fields.get("dates") {
        None => false,
        Some(node) if node.text("'dates'")? == "fall due by themselves" => true,
        Some(node) => return mistake(node.line, "'dates' says 'fall due by themselves', or is left out"),
    };
    let steps = fields.required("steps")?.list("'steps'")?;
    let steps = steps.iter().map(|node| step(folder, node)).collect::<Reading<Vec<_>>>()?;
    if !steps.iter().any(|step| matches!(step.act, Act::Expect(_))) {
        return mistake(root.line, "the scenario expects nothing");
    }
    Ok(Scenario { file: file.to_owned(), title, covers, content, catalog, watches_dates, steps })
}

fn whole(folder: &Path, node: &Node) -> Reading<Node> {
    match &node.data {
        crate::yaml::Data::Text { text, .. } => catalog::shared(folder, text.trim(), node.line),
        _ => Ok(node.clone()),
    }
}

const MODIFIERS: [&str; 3] = ["refused", "says", "ends"];

fn step(folder: &Path, node: &Node) -> Reading<Step> {
    let entries = node.map("a step")?;
    let is_modifier = |entry: &&Entry| MODIFIERS.contains(&entry.key.as_str());
    let verbs: Vec<&Entry> = entries.iter().filter(|entry| !is_modifier(entry)).collect();
    let [verb] = verbs.as_slice() else {
        let found: Vec<&str> = verbs.iter().map(|entry| entry.key.as_str()).collect();
        return mistake(
            node.line,
            format!("a step does one thing, this one does {}: {}", found.len(), found.join(", ")),
        );
    };
    let modifiers: Vec<Entry> = entries.iter().filter(is_modifier).cloned().collect();
    let modifiers = Node { line: node.line, data: crate::yaml::Data::Map(modifiers) };
    let fields = modifiers.fields("a step", &MODIFIERS)?;
    let (refused, says, ends) = (fields.text("refused")?, fields.texts("says")?, fields.text("ends")?);
    Ok(Step { line: verb.line, act: act(folder, verb)?, refused, says, ends })
}

fn act(folder: &Path, verb: &Entry) -> Reading<Act> {
    let node = &verb.value;
    let order =
        |node: &Node| -> Reading<(Named, usize)> { Ok((Named::read(&node.text("an order")?, node.line)?, node.line)) };
    match verb.key.as_str() {
        "at" => {
            let text = node.text("'at'")?;
            let at = words::read_instant(&text);
            at.map_or_else(|| mistake(node.line, format!("'{text}' is no date and no instant")), |at| Ok(Act::At(at)))
        }
        "facts" => Ok(Act::Facts(facts::read(node)?)),
        "catalog" => match &node.data {
            crate::yaml::Data::Map(entries) if entries.iter().any(|entry| entry.key == "with") => {
                let fields = node.fields("'catalog'", &["with", "use"])?;
                let changes = fields.required("with")?.clone();
                match fields.get("use") {
                    None => Ok(Act::Catalog(Change::With(changes))),
                    Some(base) => Ok(Act::Catalog(Change::Whole(catalog::changed(&whole(folder, base)?, &changes)?))),
                }
            }
            _ => Ok(Act::Catalog(Change::Whole(whole(folder, node)?))),
        },
        "synchronize" => match node.text("'synchronize'")?.as_str() {
            "all" => Ok(Act::Synchronize(Reads::All)),
            "begin" => Ok(Act::Synchronize(Reads::Begin)),
            "end" => Ok(Act::Synchronize(Reads::End)),
            other => mistake(node.line, format!("'{other}' is none of all, begin, end")),
        },
        "compute" => match &node.data {
            crate::yaml::Data::List(_) => Ok(Act::Compute(Of::These(node.texts("owners")?))),
            _ => match node.text("'compute'")?.as_str() {
                "all" => Ok(Act::Compute(Of::All)),
                "changed" => Ok(Act::Compute(Of::Changed)),
                other => mistake(node.line, format!("'{other}' is none of all, changed, [owners]")),
            },
        },
        "generate" => {
            let options = options(node, &["force review", "waive review", "despite thresholds"])?;
            let is_on = |name: &str| options.iter().any(|option| option == name);
            Ok(Act::Generate {
                force_review: is_on("force review"),
                waive_review: is_on("waive review"),
                despite_thresholds: is_on("despite thresholds"),
            })
        }
        "job" => {
            let jobs = ["complete", "synchronize", "incremental", "due"];
            let options = options(node, &[&jobs[..], &["force review", "waive review"]].concat())?;
            let is_on = |name: &str| options.iter().any(|option| option == name);
            let name = jobs.into_iter().find(|job| is_on(job));
            let Some(name) = name else { return mistake(node.line, format!("a job is one of {}", jobs.join(", "))) };
            Ok(Act::Job {
                name: name.to_owned(),
                force_review: is_on("force review"),
                waive_review: is_on("waive review"),
            })
        }
        "resume" => Ok(Act::Resume(node.text("'resume'")?)),
        "let go" => Ok(Act::LetGo(node.text("'let go'")?)),
        "review" => {
            let fields = node.fields("'review'", &["approve", "decline", "postpone", "comment"])?;
            let verdicts =
                [("approve", Verdict::Approve), ("decline", Verdict::Decline), ("postpone", Verdict::Postpone)];
            let mut said = verdicts.into_iter().filter_map(|(key, verdict)| Some((verdict, fields.get(key)?)));
            let (Some((verdict, node)), None) = (said.next(), said.next()) else {
                return mistake(fields.line, "a review says one of approve, decline, postpone");
            };
            let (order, line) = order(node)?;
            Ok(Act::Review { verdict, order, line, comment: fields.text("comment")?.unwrap_or_default() })
        }
        "take" => order(node).map(|(order, line)| Act::Take { order, line }),
        "feedback" => {
            let known = ["executed", "handed over", "failed", "message", "class", "write"];
            let fields = node.fields("'feedback'", &known)?;
            let message = fields.text("message")?.unwrap_or_else(|| "it failed".to_owned());
            let class = fields.text("class")?.unwrap_or_else(|| "refused".to_owned());
            let failed = Outcome::Failed { message, class };
            let outcomes = [("executed", Outcome::Executed), ("handed over", Outcome::HandedOver), ("failed", failed)];
            let mut said = outcomes.into_iter().filter_map(|(key, outcome)| Some((outcome, fields.get(key)?)));
            let (Some((outcome, node)), None) = (said.next(), said.next()) else {
                return mistake(fields.line, "feedback says one of executed, handed over, failed");
            };
            let order = if node.text("an order")? == "all" { None } else { Some(order(node)?) };
            Ok(Act::Feedback { order, outcome, write: fields.is_on("write")? })
        }
        "manual" => {
            let fields = node.fields("'manual'", &["confirm", "report error", "comment", "write"])?;
            let comment = fields.text("comment")?;
            let (node, error) = match (fields.get("confirm"), fields.get("report error")) {
                (Some(node), None) => (node, None),
                (None, Some(node)) => (node, Some(comment.unwrap_or_default())),
                _ => return mistake(fields.line, "a person says one of confirm, report error"),
            };
            let (order, line) = order(node)?;
            Ok(Act::Manual { order, line, error, write: fields.is_on("write")? })
        }
        "unblock" => order(node).map(|(order, line)| Act::Unblock { order, line }),
        "cancel" => order(node).map(|(order, line)| Act::Cancel { order, line }),
        "request" => Ok(Act::Request(Wish::read(node)?)),
        "revoke" => Ok(Act::Revoke(Wish::read(node)?)),
        "withdraw" => Ok(Act::Withdraw(Wish::read(node)?)),
        "approve" => Ok(Act::Decide { verdict: Verdict::Approve, wish: Wish::read(node)? }),
        "decline" => Ok(Act::Decide { verdict: Verdict::Decline, wish: Wish::read(node)? }),
        "postpone" => Ok(Act::Decide { verdict: Verdict::Postpone, wish: Wish::read(node)? }),
        "decide" => Ok(Act::Reconcile(Decide::read(node)?)),
        "baseline" => Ok(Act::Baseline(Some(node.text("'baseline'")?).filter(|of| of != "all").unwrap_or_default())),
        "plan" => Ok(Act::Plan(Asked::read(node)?)),
        "apply" => Ok(Act::Apply(Part::read(node)?)),
        "expect" => Ok(Act::Expect(Box::new(Expectation::read(node)?))),
        other => {
            let known = "at, facts, catalog, synchronize, compute, generate, job, resume, let go, review, take, \
                         feedback, manual, unblock, cancel, request, approve, decline, postpone, revoke, withdraw, decide, baseline, plan, apply, expect";
            mistake(verb.line, format!("unknown step '{other}'; there are: {known}"))
        }
    }
}

/// Words that switch something on, or `all` for none of them.
fn options(node: &Node, known: &[&str]) -> Reading<Vec<String>> {
    let options = node.texts("the options")?;
    match options.iter().find(|option| *option != "all" && !known.contains(&option.as_str())) {
        Some(unknown) => mistake(node.line, format!("'{unknown}' is none of: all, {}", known.join(", "))),
        None => Ok(options),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mistake_in(text: &str) -> String {
        scenario(Path::new("nowhere"), "x.yaml", text).map(|_| ()).unwrap_err().to_string()
    }

    const HEAD: &str = "title: t\nstory: s\ncatalog: { roles: [] }\nsteps:\n";

    #[test]
    fn whatever_is_not_known_is_a_mistake_with_its_line() {
        assert!(mistake_in("titel: t").starts_with("line 1: unknown key 'titel' in a scenario; there are: title,"));
        for (step, said) in [
            ("  - wait: 3", "line 5: unknown step 'wait'; there are: at,"),
            ("  - at: noon", "line 5: 'noon' is no date and no instant"),
            ("  - at: 2026-01-01\n    expects: {}", "line 5: a step does one thing, this one does 2: at, expects"),
            ("  - generate: fast", "line 5: 'fast' is none of: all, force review"),
            ("  - review: { comment: x }", "line 5: a review says one of approve"),
            ("  - take: account", "line 5: 'account' names no order"),
            ("  - expect: { order: [] }", "line 5: unknown key 'order' in 'expect'"),
            ("  - compute: all", "line 1: the scenario expects nothing"),
        ] {
            let found = mistake_in(&format!("{HEAD}{step}\n"));
            assert!(found.starts_with(said), "{step}: {found}");
        }
    }

    #[test]
    fn unknown_catalogs_are_named() {
        let found = mistake_in("title: t\nstory: s\ncatalog: nothing\nsteps: []");
        assert!(found.starts_with("line 3: there is no catalog 'nothing'"), "{found}");
    }
}
