//! What a directory really did, by its own log: slapd's audit overlay, which writes each change that was carried out
//! as LDIF.

use anyhow::{Context, Result, bail};
use base64::Engine;
use std::collections::{BTreeMap, BTreeSet};

/// One change that the directory carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audited {
    /// The entry.
    pub dn: String,
    /// What became of it.
    pub effect: AuditedEffect,
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditedEffect {
    /// It was added, with these attributes.
    Added(crate::Attributes),
    /// It was modified, in these steps.
    Modified(Vec<AuditedStep>),
    /// It was deleted.
    Deleted,
}

/// One step of a modify; those that the directory adds for its own purposes are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditedStep {
    /// `add`, `delete` or `replace`.
    pub operation: String,
    /// The attribute.
    pub attribute: String,
    /// The values.
    pub values: BTreeSet<String>,
}

/// What the directory notes at every entry by itself.
const OPERATIONAL: [&str; 9] = [
    "structuralObjectClass",
    "entryUUID",
    "entryCSN",
    "creatorsName",
    "createTimestamp",
    "modifiersName",
    "modifyTimestamp",
    "pwdChangedTime",
    "contextCSN",
];

/// Reads the log from its beginning. A record at the end that is not complete yet is left out.
///
/// # Errors
/// When the log is not as the overlay writes it.
pub(crate) fn read(log: &str) -> Result<Vec<Audited>> {
    let mut done = Vec::new();
    let mut record: Option<Vec<String>> = None;
    for line in log.lines() {
        if line.starts_with("# end ") {
            let lines = record.take().with_context(|| format!("'{line}' without a beginning"))?;
            done.extend(audited(&lines).with_context(|| format!("in the record {lines:?}"))?);
        } else if line.starts_with('#') {
            record = Some(Vec::new());
        } else if let Some(lines) = &mut record {
            match (line.strip_prefix(' '), lines.last_mut()) {
                (Some(more), Some(last)) => last.push_str(more),
                _ if line.is_empty() => {}
                _ => lines.push(line.to_owned()),
            }
        }
    }
    Ok(done)
}

fn audited(lines: &[String]) -> Result<Option<Audited>> {
    let mut pairs = Vec::new();
    for line in lines {
        pairs.push(if line == "-" { None } else { Some(pair(line)?) });
    }
    let mut pairs = pairs.into_iter();
    let (Some(Some((dn_name, dn))), Some(Some((type_name, kind)))) = (pairs.next(), pairs.next()) else {
        bail!("no dn and changetype");
    };
    if dn_name != "dn" || type_name != "changetype" {
        bail!("no dn and changetype first");
    }
    let effect = match kind.as_str() {
        "add" => {
            let mut attributes: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for (name, value) in pairs.flatten().filter(|(name, _)| !OPERATIONAL.contains(&name.as_str())) {
                attributes.entry(name).or_default().insert(value);
            }
            AuditedEffect::Added(attributes)
        }
        "modify" => AuditedEffect::Modified(steps(pairs)),
        "delete" => AuditedEffect::Deleted,
        other => bail!("changetype {other} is not understood"),
    };
    Ok(Some(Audited { dn, effect }))
}

fn steps(pairs: impl Iterator<Item = Option<(String, String)>>) -> Vec<AuditedStep> {
    let mut steps: Vec<AuditedStep> = Vec::new();
    let mut open = false;
    for pair in pairs {
        match (pair, steps.last_mut().filter(|_| open)) {
            (None, _) => open = false,
            (Some((_, value)), Some(step)) => {
                step.values.insert(value);
            }
            (Some((operation, attribute)), None) => {
                steps.push(AuditedStep { operation, attribute, values: BTreeSet::new() });
                open = true;
            }
        }
    }
    steps.retain(|step| !OPERATIONAL.contains(&step.attribute.as_str()));
    steps
}

/// `name: value`, or `name:: ` and base64. What is not text is shown as it can be.
fn pair(line: &str) -> Result<(String, String)> {
    let (name, rest) = line.split_once(':').with_context(|| format!("'{line}' is not NAME: VALUE"))?;
    let value = match rest.strip_prefix(':') {
        Some(coded) => {
            let bytes = base64::engine::general_purpose::STANDARD.decode(coded.trim()).context("base64")?;
            String::from_utf8_lossy(&bytes).into_owned()
        }
        None => rest.trim_start().to_owned(),
    };
    Ok((name.to_owned(), value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn records_are_read_and_an_unfinished_one_is_left_for_later() {
        let log = "# add 1 dc=x cn=agent IP=1 conn=1\ndn: uid=ada,dc=x\nchangetype: add\nuid: ada\ncn:: QWTDqQ==\n\
                   title: a very\n  long title\nentryCSN: 2026\n# end add 1\n\n\
                   # modify 2 dc=x cn=agent IP=1 conn=1\ndn: cn=g,dc=x\nchangetype: modify\nadd: member\nmember: uid=a\n\
                   member: uid=b\n-\ndelete: member\nmember: uid=c\n-\nreplace: entryCSN\nentryCSN: 1\n-\n# end modify 2\n\n\
                   # delete 3 dc=x cn=agent IP=1 conn=1\ndn: uid=ada,dc=x\nchangetype: delete\n# end delete 3\n\n\
                   # add 4 dc=x cn=agent IP=1 conn=1\ndn: uid=bob,dc=x\nchangetype: add\nuid";
        let set = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect::<BTreeSet<_>>();
        let step = |operation: &str, values: &[&str]| AuditedStep {
            operation: operation.to_owned(),
            attribute: "member".to_owned(),
            values: set(values),
        };
        let added = [("cn", "Adé"), ("title", "a very long title"), ("uid", "ada")];
        let added = added.map(|(name, value)| (name.to_owned(), set(&[value]))).into();
        let expected = [
            ("uid=ada,dc=x", AuditedEffect::Added(added)),
            ("cn=g,dc=x", AuditedEffect::Modified(vec![step("add", &["uid=a", "uid=b"]), step("delete", &["uid=c"])])),
            ("uid=ada,dc=x", AuditedEffect::Deleted),
        ];
        let expected = expected.map(|(dn, effect)| Audited { dn: dn.to_owned(), effect });
        assert_eq!(read(log).unwrap(), expected);
    }

    #[test]
    fn what_is_no_log_is_an_error() {
        assert!(read("# end add 1\n").is_err());
        assert!(read("# add 1\nuid: ada\n# end add 1\n").is_err());
    }
}
