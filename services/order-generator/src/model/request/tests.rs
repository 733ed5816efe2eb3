#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use super::automation::automatic;
use super::*;
use crate::model::catalog::{AutomationRule, Catalog};
use WorkflowState as S;

const CATALOG: &str = "
policy: { max_duration: 30d }
connectors: [ { name: hr, export: hr-csv, connections: [ { name: hr-csv, package: csv } ] }, { name: app, connections: [ { name: app-sql, package: sql } ] } ]
entity_types:
  - { name: Person, connector: hr, key: id, properties: [ { name: id, type: string } ] }
  - { name: Site, connector: hr, key: id, properties: [ { name: id, type: string } ] }
  - { name: Account, connector: app, key: login, properties: [ { name: login, type: string } ] }
roles:
  - { name: auditor, display_name: Auditor, owner: Person, approval: 2, max_duration: 10d }
  - { name: cashier, owner: Person }
  - { name: guest, owner: Person, approval: 0, max_duration: 12h }
  - { name: staff, owner: Person, approval: not_allowed }
  - { name: keeper, owner: Site }
composite_roles:
  - { name: finance, display_name: Finance, owner: Person, roles: [ auditor, cashier ], approval: 3 }
resource_types:
  - name: AppAccount
    owner: Person
    target: Account
    connection: app-sql
    approval: 1
    type_rules: [ { role: staff } ]
    scalar_rules: [ { property: login, value: owner.id } ]
";

fn catalog() -> Catalog {
    let files = [("catalog.yaml".to_owned(), CATALOG.to_owned())];
    Catalog::compile(&files).unwrap_or_else(|problems| panic!("{problems:#?}"))
}

fn day(number: i64) -> Timestamp {
    Timestamp::from_millis(number * 24 * 3_600_000)
}

const fn never() -> Period {
    Period { from: None, until: None }
}

fn period(from: i64, until: i64) -> Period {
    Period { from: Some(day(from)), until: Some(day(until)) }
}

fn ask(action: Action, name: &str, period: Period) -> Ask {
    Ask {
        id: "new".into(),
        owner: Owner { entity_type: "Person".into(), key: "E1".into(), display_name: "Ada".into() },
        is_role: name != "AppAccount" && name != "AppAcount",
        name: name.into(),
        action,
        asked: Asked { period, comment: "for the audit".into(), by: "eve".into() },
    }
}

fn give(name: &str, period: Period) -> Ask {
    ask(Action::Give, name, period)
}

fn take(name: &str) -> Ask {
    ask(Action::TakeAway, name, never())
}

/// What a wish comes to on day 100.
fn drafted(ask: &Ask, standing: &Standing) -> Result<Draft, Refusal> {
    draft(ask, &catalog(), standing, day(100))
}

/// A request that was made on day 90, and approved.
fn approved(id: &str, action: Action, effect: Effect, period: Period) -> Request {
    let asked = Asked { period, comment: String::new(), by: "eve".into() };
    Request {
        id: id.into(),
        owner: ask(action, "cashier", period).owner,
        kind: Kind::Role,
        name: "cashier".into(),
        display_name: String::new(),
        action,
        asked,
        period,
        effect,
        ends: vec![],
        steps: 1,
        state: S::Approved,
        since: day(90),
        ending: None,
        notes: vec![],
        decisions: vec![said("ada", 1, Verdict::Approve)],
        created_at: day(90),
        updated_at: day(90),
    }
}

fn open(steps: u32) -> Request {
    let request = approved("r", Action::Give, Effect::Gives, Period { from: Some(day(90)), until: Some(day(120)) });
    Request { steps, state: S::Requested, decisions: vec![], ..request }
}

fn said(actor: &str, step: u32, verdict: Verdict) -> Decision {
    Decision { step, verdict, actor: actor.into(), comment: "fine".into(), at: day(91) }
}

fn standing(held: Option<S>, requests: Vec<Request>) -> Standing {
    let held = held.map(|workflow| Held { workflow, period: period(1, 130) });
    Standing { held, requests }
}

#[test]
fn approvals_are_as_many_as_the_catalog_says() {
    let steps = |name| drafted(&give(name, never()), &Standing::default()).map(|draft| (draft.kind, draft.steps));
    assert_eq!(steps("auditor"), Ok((Kind::Role, 2)));
    assert_eq!(steps("cashier"), Ok((Kind::Role, 1)));
    assert_eq!(steps("finance"), Ok((Kind::CompositeRole, 3)));
    assert_eq!(steps("AppAccount"), Ok((Kind::ResourceType, 1)));
    let guest = drafted(&give("guest", never()), &Standing::default()).unwrap();
    assert_eq!(guest.into_request(give("guest", never()), day(100)).state, S::Approved);
}

#[test]
fn what_cannot_be_asked_for_is_refused_and_named() {
    for (name, words) in [
        ("staff", "the role staff cannot be requested or revoked: the catalog says approval: not_allowed"),
        ("auditer", "there is no role auditer; did you mean 'auditor'?"),
        ("finence", "there is no role finence; did you mean 'finance'?"),
        ("AppAcount", "there is no resource type AppAcount; did you mean 'AppAccount'?"),
        ("keeper", "role 'keeper' is for owners of the entity type Site, not Person 'E1'"),
    ] {
        for ask in [give(name, never()), take(name)] {
            assert_eq!(drafted(&ask, &Standing::default()).unwrap_err().to_string(), words);
        }
    }
}

#[test]
fn dates_are_moved_to_what_is_allowed_and_the_notes_say_so() {
    let dates =
        |name, period| drafted(&give(name, period), &Standing::default()).map(|draft| (draft.period, draft.notes));
    let (found, notes) = dates("auditor", period(90, 105)).unwrap();
    assert_eq!((found, notes.len()), (period(100, 105), 1));
    assert!(notes[0].starts_with("begins now: 1970-04-01") && notes[0].ends_with("is in the past"), "{notes:?}");
    let (found, notes) = dates("auditor", period(101, 190)).unwrap();
    assert_eq!(found, period(101, 111));
    assert_eq!(notes, ["ends 1970-04-22T00:00:00.000Z: it lasts 10 days at most"]);
    assert_eq!(dates("auditor", never()).unwrap().0, period(100, 110));
    assert_eq!(dates("cashier", never()).unwrap().0, period(100, 130), "the policy's duration");
    assert!(dates("guest", never()).unwrap().1[0].ends_with("it lasts 12 hours at most"));
    for (wrong, from) in
        [(period(105, 105), 105), (period(106, 105), 106), (period(80, 90), 100), (period(80, 100), 100)]
    {
        assert_eq!(dates("auditor", wrong), Err(Refusal::EndsBefore { from: day(from) }));
    }
    let ended = Period { from: None, until: Some(day(99)) };
    assert_eq!(dates("auditor", ended), Err(Refusal::EndsBefore { from: day(100) }));
}

#[test]
fn one_open_request_for_a_thing_is_enough() {
    let standing = standing(None, vec![open(1)]);
    for ask in [give("cashier", never()), take("cashier")] {
        let refused = drafted(&ask, &standing).unwrap_err();
        let words = "the request r for the role cashier of Person 'E1' is open already: Requested; decide or withdraw \
                     it first";
        assert_eq!(refused.to_string(), words);
    }
}

#[test]
fn what_is_given_for_that_time_is_not_given_again_and_other_dates_replace_it() {
    let given = |period| standing(None, vec![approved("g", Action::Give, Effect::Gives, period)]);
    let refused = drafted(&give("cashier", period(101, 110)), &given(period(90, 110))).unwrap_err();
    assert_eq!(refused.to_string(), "the role cashier of Person 'E1' is given already for that time, by the request g");
    let longer = drafted(&give("cashier", period(101, 111)), &given(period(90, 110))).unwrap();
    assert_eq!((longer.effect, longer.ends, longer.period), (Effect::Gives, vec!["g".to_owned()], period(101, 111)));
    assert_eq!(longer.notes, ["takes the place of the request g"]);
    // What is over by now is none.
    let again = drafted(&give("cashier", period(101, 111)), &given(period(90, 100))).unwrap();
    assert!(again.ends.is_empty());
}

#[test]
fn what_was_taken_away_is_taken_back_by_asking_for_it() {
    let endless = Period { from: Some(day(90)), until: None };
    let denied = standing(None, vec![approved("d", Action::TakeAway, Effect::Denies, endless)]);
    let back = drafted(&give("cashier", never()), &denied).unwrap();
    assert_eq!((back.effect, back.ends, back.steps), (Effect::Ends, vec!["d".to_owned()], 1));
    let with_dates = drafted(&give("cashier", period(101, 110)), &denied).unwrap();
    assert_eq!((with_dates.effect, with_dates.ends), (Effect::Gives, vec!["d".to_owned()]));
    let refused = drafted(&take("cashier"), &denied).unwrap_err();
    let words = "the role cashier of Person 'E1' is taken away already for that time, by the request d";
    assert_eq!(refused.to_string(), words);
}

#[test]
fn taking_away_ends_a_request_or_denies_what_rules_give() {
    let granted = || vec![approved("g", Action::Give, Effect::Gives, Period { from: Some(day(90)), until: None })];
    let meant = |held, requests| {
        let draft = drafted(&take("cashier"), &standing(held, requests)).unwrap();
        (draft.effect, draft.ends.join(" "), draft.period.until)
    };
    assert_eq!(meant(None, granted()), (Effect::Ends, "g".into(), None), "not computed yet");
    assert_eq!(meant(Some(S::Approved), granted()), (Effect::Ends, "g".into(), None));
    assert_eq!(meant(Some(S::Calculated), vec![]), (Effect::Denies, String::new(), None));
    assert_eq!(meant(Some(S::GivenByARole), vec![]), (Effect::Denies, String::new(), None));
    assert_eq!(meant(Some(S::Calculated), granted()), (Effect::Denies, "g".into(), None), "rule and request");
    assert_eq!(
        meant(Some(S::Prolonged), vec![]),
        (Effect::Denies, String::new(), Some(day(130))),
        "until it would end"
    );
    let refused = drafted(&take("cashier"), &Standing::default()).unwrap_err();
    assert!(refused.to_string().starts_with("Person 'E1' does not have the role cashier"), "{refused}");
    let until = drafted(&ask(Action::TakeAway, "cashier", period(105, 500)), &standing(Some(S::Calculated), vec![]));
    assert_eq!(until.unwrap().period, period(105, 500), "no duration limits what is taken away");
}

#[test]
fn what_is_taken_away_for_a_time_counts_again_afterwards() {
    let granted = |until| vec![approved("g", Action::Give, Effect::Gives, Period { from: Some(day(90)), until })];
    let for_a_time = |held, requests| {
        let draft = drafted(&ask(Action::TakeAway, "cashier", period(105, 120)), &standing(held, requests)).unwrap();
        assert_eq!(draft.period, period(105, 120));
        (draft.effect, draft.ends.join(" "), draft.notes.join(" "))
    };
    for held in [None, Some(S::Approved)] {
        let (effect, ends, notes) = for_a_time(held, granted(None));
        assert_eq!((effect, ends.as_str()), (Effect::Denies, ""), "{held:?}");
        assert!(notes.contains("takes away what a request gave, until") && notes.contains("counts again"), "{notes}");
        // Nothing is left of it by then.
        assert_eq!(for_a_time(held, granted(Some(day(110)))).0, Effect::Ends, "{held:?}");
    }
    // Rules and a request give it: both do again.
    let (effect, ends, notes) = for_a_time(Some(S::Calculated), granted(None));
    assert_eq!((effect, ends.as_str()), (Effect::Denies, ""));
    assert!(notes.contains("do not give it to this owner until"), "{notes}");
    // One that denies it already gives way to the new one.
    let denied = approved("d", Action::TakeAway, Effect::Denies, period(106, 107));
    let requests = granted(None).into_iter().chain([denied]).collect();
    assert_eq!(for_a_time(Some(S::Approved), requests).1, "d");
}

#[test]
fn steps_lead_from_requested_to_approved() {
    let states: [&[S]; 3] = [
        &[S::PendingApproval],
        &[S::PendingApproval1Of2, S::PendingApproval2Of2],
        &[S::PendingApproval1Of3, S::PendingApproval2Of3, S::PendingApproval3Of3],
    ];
    for (steps, states) in (1..=3).zip(states) {
        let mut request = open(steps);
        assert!(request.taken(day(91)) && !request.taken(day(92)));
        assert_eq!(request.since, day(91));
        for (step, state) in (1..=steps).zip(states) {
            assert_eq!(request.state, *state);
            assert_eq!(request.grant(), None, "nothing counts before all have approved");
            let outcome = request.decide(said("ada", step, Verdict::Approve), step == steps, day(92));
            assert_eq!(outcome, if step == steps { Outcome::Approved } else { Outcome::Waits });
        }
        assert_eq!((request.state, request.approvals()), (S::Approved, steps));
        let grant = request.grant().unwrap();
        assert_eq!((grant.what, grant.denied, grant.period), (Granted::Role("cashier".into()), false, request.period));
        assert!(grant.because.starts_with("requested by eve, approved by ada"), "{}", grant.because);
    }
}

#[test]
fn decision_that_overtakes_the_news_of_review_counts_all_the_same() {
    let mut request = open(3);
    assert_eq!(request.decide(said("ada", 1, Verdict::Postpone), false, day(91)), Outcome::Waits);
    assert_eq!(request.state, S::PendingApproval1Of3);
    assert_eq!(request.reason(), "waits for approval 1 of 3, postponed by ada: fine");
    let mut request = open(2);
    request.decide(said("ada", 1, Verdict::Approve), false, day(91));
    assert_eq!((request.state, request.taken(day(92))), (S::PendingApproval2Of2, false));
}

#[test]
fn decline_at_any_step_is_the_end_and_what_comes_later_is_passed_over() {
    for step in 1..=3 {
        let mut request = open(3);
        request.taken(day(91));
        for before in 1..step {
            request.decide(said("ada", before, Verdict::Approve), false, day(92));
        }
        assert_eq!(request.decide(said("bob", step, Verdict::Decline), true, day(93)), Outcome::Declined);
        assert_eq!((request.state, request.reason()), (S::Declined, "declined by bob: fine".into()));
        let kept = request.clone();
        for verdict in [Verdict::Approve, Verdict::Decline, Verdict::Postpone] {
            assert_eq!(request.decide(said("zoe", step, verdict), true, day(94)), Outcome::PassedOver);
        }
        assert!(!request.expire(day(500)), "what was declined is not over once more");
        assert_eq!((request, kept.grant()), (kept, None));
    }
}

#[test]
fn approval_after_the_end_is_too_late() {
    let mut request = open(1);
    request.taken(day(91));
    assert_eq!(request.decide(said("ada", 1, Verdict::Approve), true, day(120)), Outcome::TooLate);
    assert_eq!((request.state, request.grant()), (S::Inactive, None));
}

#[test]
fn withdrawing_is_for_what_is_not_decided() {
    let mut request = open(1);
    assert_eq!(request.withdraw("eve", "", day(91)), Ok(true));
    assert_eq!((request.state, request.reason()), (S::Inactive, "withdrawn by eve".into()));
    assert_eq!(request.withdraw("eve", "again", day(92)), Ok(false));
    assert!(!request.taken(day(92)));
    let mut decided = approved("r", Action::Give, Effect::Gives, never());
    assert_eq!(decided.withdraw("eve", "", day(91)), Err(S::Approved));
}

#[test]
fn what_is_ended_counts_until_then() {
    let grant = |period| approved("g", Action::Give, Effect::Gives, period);
    let mut now = grant(period(90, 120));
    now.end("x", Some(day(95)), day(100));
    assert_eq!((now.state, now.period, now.reason()), (S::Inactive, period(90, 100), "ended by the request x".into()));
    let mut later = grant(period(90, 120));
    later.end("x", Some(day(110)), day(100));
    assert_eq!((later.state, later.period), (S::Approved, period(90, 110)));
    assert_eq!(later.reason(), "ends earlier, by the request x");
    assert!(later.expire(day(110)) && !later.expire(day(111)));
    assert_eq!(later.reason(), "ended by the request x");
    let mut sooner = grant(period(90, 105));
    sooner.end("x", Some(day(110)), day(100));
    assert_eq!((sooner.period, sooner.ending), (period(90, 105), None), "it ends by itself before");
    let mut future = grant(period(115, 120));
    future.end("x", Some(day(110)), day(100));
    assert_eq!(future.state, S::Inactive, "of what has not begun, nothing is left");
}

#[test]
fn periods_that_are_over_end_what_waits_and_what_counts() {
    let mut waits = open(2);
    waits.taken(day(91));
    assert!(!waits.expire(day(119)) && waits.expire(day(120)));
    assert_eq!(waits.reason(), "its period was over before everybody had approved");
    let mut counts = approved("g", Action::Give, Effect::Gives, period(90, 120));
    assert!(counts.expire(day(120)));
    assert_eq!((counts.state, counts.reason()), (S::Inactive, "its period is over".into()));
    let mut ends = approved("e", Action::TakeAway, Effect::Ends, period(90, 120));
    assert!(!ends.expire(day(120)), "what only ended others is a fact");
}

fn rule(of: Option<&str>, state: S, after_hours: u32, approves: bool) -> AutomationRule {
    AutomationRule { of: of.map(Into::into), state, after_hours, approves }
}

#[test]
fn most_particular_rule_decides_and_ties_decline() {
    let mut request = open(2);
    request.taken(day(91));
    let decided = |rules: &[AutomationRule], hours: i64| {
        let now = Timestamp::from_millis(day(91).millis() + hours * 3_600_000);
        automatic(rules, &request, now).map(|decision| decision.approves)
    };
    let state = S::PendingApproval1Of2;
    let general = || rule(None, state, 10, true);
    assert_eq!((decided(&[general()], 9), decided(&[general()], 10)), (None, Some(true)));
    let other = [rule(Some("auditor"), state, 1, false), rule(None, S::PendingApproval2Of2, 1, false)];
    assert_eq!(decided(&other, 99), None);
    let particular = [general(), rule(Some("cashier"), state, 20, false)];
    assert_eq!(
        (decided(&particular, 10), decided(&particular, 20)),
        (None, Some(false)),
        "it says how long people have"
    );
    let tie = [rule(None, state, 10, true), rule(None, state, 10, false)];
    assert_eq!(decided(&tie, 10), Some(false));
    let words = automatic(&particular, &request, day(120)).unwrap().comment;
    assert_eq!(words, "automation rule: declines requests of cashier after 20 h in Pending Approval 1/2");
    request.decide(said("ada", 1, Verdict::Decline), true, day(92));
    assert_eq!(automatic(&[rule(None, S::Declined, 0, true)], &request, day(200)), None, "it was decided");
}

#[test]
fn the_dates_of_a_request_fall_due_where_the_policy_says() {
    let text = CATALOG.replace("max_duration: 30d }", "max_duration: 30d, time_zone: Europe/Paris }");
    let paris =
        Catalog::compile(&[("catalog.yaml".to_owned(), text)]).unwrap_or_else(|problems| panic!("{problems:#?}"));
    let nothing = Standing { held: None, requests: vec![] };
    // In 1970 Paris was an hour ahead of UTC, all year.
    let hour = |day: Timestamp, hours: i64| Timestamp::from_millis(day.millis() + hours * 3_600_000);
    let drafted = |asked: Period| draft(&give("cashier", asked), &paris, &nothing, day(100)).unwrap();
    let dates = drafted(period(110, 120)).period;
    assert_eq!((dates.from, dates.until), (Some(hour(day(110), -1)), Some(hour(day(120), -1))));
    // What has a time of day is meant as it is said; and what is over there is over.
    let instants = Period { from: Some(hour(day(110), 2)), until: Some(hour(day(110), 3)) };
    assert_eq!(drafted(instants).period, instants);
    let over = give("cashier", Period { from: None, until: Some(day(100)) });
    let refused = draft(&over, &paris, &nothing, hour(day(100), -1)).unwrap_err();
    assert!(matches!(refused, Refusal::EndsBefore { .. }), "{refused}");
}
