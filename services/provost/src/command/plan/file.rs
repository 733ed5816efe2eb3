//! Plans in files.
//!
//! The rule that must hold: what is read back is what was written. A file that was cut off or changed is
//! refused, and says which.

use super::Collected;
use anyhow::{Context, bail};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::path::Path;

/// The form of the file. Grows when a program of today could not read it.
const VERSION: u64 = 1;
const MARK: &str = "provost_plan";

/// Saves a plan.
///
/// # Errors
/// When the file cannot be written.
pub fn write(path: &Path, plan: &Collected) -> anyhow::Result<()> {
    let plan = plan.to_json()?;
    let file = json!({ MARK: VERSION, "sha256": hash(&plan), "plan": plan });
    std::fs::write(path, format!("{file:#}\n")).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a plan that was saved.
///
/// # Errors
/// When it cannot be read, is no plan, was cut off or was changed.
pub fn read(path: &Path) -> anyhow::Result<Collected> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).map_err(|why| anyhow::anyhow!("{}: {why}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Collected> {
    let file: Value = match serde_json::from_str(text) {
        Ok(file) => file,
        Err(error) if error.is_eof() => bail!("the file was cut off; plan again"),
        Err(error) => bail!("the file is no plan: {error}"),
    };
    match file.get(MARK).map(Value::as_u64) {
        Some(Some(VERSION)) => {}
        Some(Some(other)) => bail!("the plan is of form {other}, and this program reads form {VERSION}; plan again"),
        Some(None) | None => bail!("the file is no plan; provost plan --out FILE makes one"),
    }
    let plan = file.get("plan").context("the file has no plan in it; plan again")?;
    if file.get("sha256").and_then(Value::as_str) != Some(&hash(plan)) {
        bail!("the plan was changed after it was made, since its hash is another one; plan again");
    }
    Collected::from_json(plan).map_err(|why| anyhow::anyhow!("the plan cannot be read: {why}; plan again"))
}

/// Of the plan as text. Layout does not count.
fn hash(plan: &Value) -> String {
    Sha256::digest(plan.to_string()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_contract::generator::v1::{PlanHead, PlannedOrder};
    use provost_contract::types::v1::{Order, Owner};

    fn plan() -> Collected {
        let owner = Some(Owner { entity_type: "Person".into(), key: "1".into(), display_name: "Ada".into() });
        let order = Some(Order { target_key: "ada".into(), owner, priority: -3, ..Order::default() });
        let planned = PlannedOrder { action: 1, order, fingerprint: "f".into(), goes_after: vec![] };
        let head = PlanHead { plan_id: "p".into(), force_review: true, ..PlanHead::default() };
        Collected { head, orders: vec![planned], ..Collected::default() }
    }

    #[test]
    fn plans_are_read_back_as_they_were_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        write(&path, &plan()).unwrap();
        assert_eq!(read(&path).unwrap(), plan());
        let text = std::fs::read_to_string(&path).unwrap();
        // Layout does not count.
        let compact = serde_json::from_str::<Value>(&text).unwrap().to_string();
        assert_eq!(parse(&compact).unwrap(), plan());
    }

    #[test]
    fn what_is_no_plan_was_cut_off_or_changed_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plan.json");
        write(&path, &plan()).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let wrong = |text: &str| parse(text).unwrap_err().to_string();
        let half = text.split_at(text.len() / 2).0;
        assert_eq!(wrong(half), "the file was cut off; plan again");
        assert_eq!(wrong(""), "the file was cut off; plan again");
        assert!(wrong(&text.replace("\"ada\"", "\"eve\"")).starts_with("the plan was changed after it was made"));
        assert!(wrong("{}").starts_with("the file is no plan"));
        assert!(wrong("roles: []").starts_with("the file is no plan"));
        assert!(wrong(&text.replace("\"provost_plan\": 1", "\"provost_plan\": 2")).contains("is of form 2"));
        let missing = read(&folder.path().join("none.json")).unwrap_err().to_string();
        assert!(missing.starts_with("cannot read"), "{missing}");
    }
}
