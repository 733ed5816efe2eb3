//! Why an owner has a role, and why not.

use super::causes::{considered, decisive, failed};
use super::{Answer, Ask, Cause, CauseKind, Kind, Standing, words};
use crate::model::catalog::Approval;
use crate::model::evaluate::{Outcome, RoleSeen};

impl Ask<'_> {
    /// Explains a role, single or composite; none when owners of this kind cannot have one of that name.
    pub fn role(&self, name: &str) -> Option<Answer> {
        let of = self.owner.entity_type.as_str();
        let single = self.catalog.role(name).filter(|role| *role.owner == *of);
        let composite = self.catalog.composite_role(name).filter(|role| *role.owner == *of);
        let (kind, display_name, approval, seen) = match (single, composite) {
            (Some(role), _) => (Kind::Role, &role.display_name, role.approval, self.seen.map(|seen| &seen.roles)),
            (None, Some(role)) => {
                (Kind::CompositeRole, &role.display_name, role.approval, self.seen.map(|seen| &seen.composite_roles))
            }
            (None, None) => return None,
        };
        let what = if kind == Kind::Role { format!("role {name}") } else { format!("composite role {name}") };
        let seen = seen.and_then(|seen| seen.iter().find(|seen| *seen.role == *name));
        Some(match seen {
            Some(seen) => self.role_seen(seen, Answer::new(kind, name, display_name, Standing::HasNot, what), approval),
            None => {
                let sentence = format!("{} does not have {what}.", words::who(self.owner));
                let causes = vec![self.gone()];
                Answer { causes, ..Answer::new(kind, name, display_name, Standing::HasNot, sentence) }
            }
        })
    }

    fn role_seen(&self, seen: &RoleSeen, mut answer: Answer, approval: Approval) -> Answer {
        let what = std::mem::take(&mut answer.sentence);
        let prefix = format!("{what} / ");
        let (lines, mut causes) = considered(&seen.considered, &prefix, self.now);
        let who = words::who(self.owner);
        let (standing, sentence) = match &seen.outcome {
            Outcome::Given { period, workflow } => {
                answer.period = *period;
                answer.workflow = Some(*workflow);
                if period.is_future(self.now) {
                    (Standing::NotYet, format!("{who} does not have {what} yet: from {} on.", words::from(*period)))
                } else if period.is_over(self.now) {
                    (Standing::NoLonger, format!("{who} has {what} no longer, since {}.", words::until(*period)))
                } else {
                    (Standing::Has, format!("{who} has {what}{} ({workflow}).", words::while_it_lasts(*period)))
                }
            }
            Outcome::Refused => (Standing::HasNot, format!("{who} does not have {what}.")),
            Outcome::Failed(failure) => {
                if causes.iter().all(|cause| cause.kind != CauseKind::RuleFailed) {
                    causes.push(failed(failure));
                }
                (Standing::Unknown, format!("Nobody knows whether {who} has {what}: a rule failed."))
            }
        };
        if seen.considered.is_empty() {
            causes.push(Cause::new(CauseKind::NoRule, "no rule and no composite role gives it".to_owned()));
        }
        causes.extend(self.said_of(&seen.role, None));
        if matches!(standing, Standing::HasNot | Standing::NoLonger) {
            causes.push(Self::requestable(approval));
        }
        (answer.standing, answer.sentence, answer.considered) = (standing, sentence, lines);
        answer.causes = decisive(causes, standing);
        answer
    }
}
