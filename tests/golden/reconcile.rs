//! What waits for a decision in a scenario, and deciding on it.
//!
//! An item is named in words: `title of AppAccount for E1` (a value), `groups poets of AppAccount for E1` (a
//! link), `missing AppAccount for E1`, `unauthorized AppAccount for E1`, `orphan AppAccount bob`, and
//! `role finance for E1`.

use crate::suite::Suite;
use crate::words;
use crate::yaml::{Data, Node, Reading, mistake};
use anyhow::{Context as _, Result, bail};
use provost_contract::generator::v1 as pb;
use provost_service_kit::caller::request_as;

/// A decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Decide {
    verdict: pb::ReconciliationVerdict,
    item: String,
    comment: String,
    by: String,
    /// Whose a resource that nobody owned shall be.
    owner: String,
    take_over: bool,
}

impl Decide {
    /// Reads one.
    pub(crate) fn read(node: &Node) -> Reading<Self> {
        use pb::ReconciliationVerdict::{Delete, Keep, Postpone, Write};
        let verdicts = [("write", Write), ("keep", Keep), ("postpone", Postpone), ("delete", Delete)];
        let known = ["write", "keep", "postpone", "delete", "comment", "by", "for", "take over"];
        let fields = node.fields("'decide'", &known)?;
        let mut said = verdicts.into_iter().filter_map(|(key, verdict)| Some((verdict, fields.get(key)?)));
        let (Some((verdict, item)), None) = (said.next(), said.next()) else {
            return mistake(fields.line, "a decision says one of write, keep, postpone, delete");
        };
        let text = |key: &str, otherwise: &str| Ok(fields.text(key)?.unwrap_or_else(|| otherwise.to_owned()));
        Ok(Self {
            verdict,
            item: item.text("an item")?,
            comment: text("comment", "decided")?,
            by: text("by", crate::play::PERSON)?,
            owner: text("for", "")?,
            take_over: fields.is_on("take over")?,
        })
    }

    /// Decides.
    pub(crate) async fn decide(&self, suite: &Suite) -> Result<()> {
        let all = items(suite).await?;
        let found = all.iter().find(|item| name(item) == self.item).with_context(|| {
            let names: Vec<String> = all.iter().map(name).collect();
            format!("nothing waits that is named '{}'; there are: {}", self.item, names.join(", "))
        })?;
        let request = pb::DecideReconciliationItemsRequest {
            items: vec![pb::ItemToDecide { item_id: found.item_id.clone(), version: found.version.clone() }],
            filter: None,
            verdict: self.verdict.into(),
            comment: self.comment.clone(),
            owner_key: self.owner.clone(),
            owner_entity_type: String::new(),
            take_over: self.take_over,
        };
        let answer = suite.reconciliation().decide_reconciliation_items(request_as(&self.by, request)).await?;
        match answer.into_inner().results.into_iter().find_map(|result| result.error) {
            Some(error) => bail!("{}", error.message),
            None => Ok(()),
        }
    }
}

/// Takes what differs for Pre-existing; in words.
pub(crate) async fn baseline(suite: &Suite, resource_type: &str, person: &str) -> Result<String> {
    let request = pb::SetBaselineRequest { resource_type: resource_type.to_owned(), comment: String::new() };
    let answer = suite.reconciliation().set_baseline(request_as(person, request)).await?.into_inner();
    Ok(format!("{} resources, {} values", answer.resources, answer.values))
}

/// All that waits.
pub(crate) async fn items(suite: &Suite) -> Result<Vec<pb::ReconciliationItem>> {
    let request = pb::ListReconciliationItemsRequest { filter: None, page_size: 1_000, page_token: String::new() };
    Ok(suite.reconciliation().list_reconciliation_items(request).await?.into_inner().items)
}

/// The name of an item.
fn name(item: &pb::ReconciliationItem) -> String {
    use pb::ReconciliationKind::{Baseline, Orphan, Property, Resource, Role, Unauthorized, Unspecified};
    let owner = item.owner.as_ref().map(|owner| owner.key.as_str()).unwrap_or_default();
    let pb::ReconciliationItem { resource_type, target_key, property, .. } = item;
    match item.kind() {
        Property => match &item.item {
            None => format!("{property} of {resource_type} for {owner}"),
            Some(link) => format!("{property} {} of {resource_type} for {owner}", words::wire_value(Some(link))),
        },
        Resource => format!("missing {resource_type} for {owner}"),
        Unauthorized => format!("unauthorized {resource_type} for {owner}"),
        Orphan => format!("orphan {resource_type} {target_key}"),
        Role => format!("role {property} for {owner}"),
        Baseline | Unspecified => "unknown".to_owned(),
    }
}

/// What shall wait for a decision: these and nothing else.
#[derive(Debug)]
pub(crate) struct Waiting(Vec<(String, Vec<(&'static str, String)>)>);

const WORKFLOW: &str = "workflow";
const PROPOSED: &str = "proposed";
const CURRENT: &str = "current";
const NOTE: &str = "note";

impl Waiting {
    /// Reads a list of names, or names with what is said of them.
    pub(crate) fn read(node: &Node) -> Reading<Self> {
        if matches!(&node.data, Data::Text { text, .. } if text == "none") {
            return Ok(Self(vec![]));
        }
        let one = |node: &Node| -> Reading<_> {
            let entry = match &node.data {
                Data::Map(entries) if entries.len() == 1 => &entries[0],
                Data::Text { .. } => return Ok((node.text("an item")?, vec![])),
                _ => return mistake(node.line, "an item is a name, or a name and what is said of it"),
            };
            if let Data::Text { .. } = entry.value.data {
                return Ok((entry.key.clone(), vec![(WORKFLOW, entry.value.text("a workflow state")?)]));
            }
            let known = [WORKFLOW, PROPOSED, CURRENT, NOTE];
            let fields = entry.value.fields("an item", &known)?;
            let mut said = Vec::new();
            for what in known {
                said.extend(fields.text(what)?.map(|text| (what, text)));
            }
            Ok((entry.key.clone(), said))
        };
        let mut all = node.list("'to decide'")?.iter().map(one).collect::<Reading<Vec<_>>>()?;
        all.sort();
        Ok(Self(all))
    }

    /// The lines expected, and the lines found.
    pub(crate) fn compare(&self, found: &[pb::ReconciliationItem]) -> (Vec<String>, Vec<String>) {
        let (mut expected, mut is) = (Vec::new(), Vec::new());
        let mut left: Vec<&pb::ReconciliationItem> = found.iter().collect();
        for (wanted, said) in &self.0 {
            expected.push(wanted.clone());
            expected.extend(said.iter().map(|(what, text)| format!("    {what}: {text}")));
            let Some(place) = left.iter().position(|item| name(item) == *wanted) else { continue };
            let item = left.remove(place);
            is.push(wanted.clone());
            is.extend(said.iter().map(|(what, text)| match *what {
                WORKFLOW => format!("    {what}: {}", words::workflow(item.workflow_state)),
                PROPOSED => format!("    {what}: {}", words::wire_value(item.proposed.as_ref())),
                CURRENT => format!("    {what}: {}", words::wire_value(item.current.as_ref())),
                _ if item.note.contains(text.as_str()) => format!("    {what}: {text}"),
                _ => format!("    {what}: {}", item.note),
            }));
        }
        is.extend(left.into_iter().map(name));
        (expected, is)
    }
}
