//! Why an owner has something, and why not: what an explanation shall say.

use crate::suite::Suite;
use crate::yaml::{Node, Reading};
use anyhow::Result;
use provost_contract::generator::v1 as pb;

/// What the explanation of one thing of an owner shall say: each of these words, in any order.
#[derive(Debug)]
pub(crate) struct Explains {
    pub(crate) owner: String,
    pub(crate) name: String,
    says: Vec<String>,
}

impl Explains {
    /// Reads explanations by owner, and by role or resource type.
    pub(crate) fn read(node: &Node) -> Reading<Vec<Self>> {
        let mut all = Vec::new();
        for owner in node.map("'explained'")? {
            for thing in owner.value.map("explanations by role or resource type")? {
                let says = thing.value.texts("what an explanation says")?;
                all.push(Self { owner: owner.key.clone(), name: thing.key.clone(), says });
            }
        }
        Ok(all)
    }

    /// The lines expected, and the lines found.
    pub(crate) fn compare(&self, sentences: &[String]) -> (Vec<String>, Vec<String>) {
        let is_said = |words: &&String| sentences.iter().any(|sentence| sentence.contains(words.as_str()));
        if self.says.iter().all(|words| is_said(&words)) {
            return (vec![], vec![]);
        }
        (self.says.iter().filter(|words| !is_said(words)).cloned().collect(), sentences.to_vec())
    }

    /// What is told: the answer, and what made it so.
    pub(crate) async fn told(&self, suite: &Suite) -> Result<Vec<String>> {
        let request = pb::ExplainAssignmentRequest {
            owner_key: self.owner.clone(),
            name: self.name.clone(),
            ..pb::ExplainAssignmentRequest::default()
        };
        let answer = suite.explanations().explain_assignment(request).await?.into_inner();
        let explained = answer.explained.unwrap_or_default();
        let causes = explained.causes.into_iter().map(|cause| cause.sentence);
        Ok(std::iter::once(explained.answer).chain(causes).collect())
    }
}
