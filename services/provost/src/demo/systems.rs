//! The managed systems, read and edited as their own people would: SQL on the databases, and the
//! badge desk's CSV file. Nothing here goes through the suite.

use anyhow::{Context, bail};
use provost_contract::fulfillment::v1::ManualOrder;
use provost_sample::workplace::{self, AccountRow};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where they are.
#[derive(Clone, Debug)]
pub(super) struct Systems {
    pub(super) app: PathBuf,
    pub(super) vault: PathBuf,
    pub(super) badges: PathBuf,
}

/// An account as the application holds it, with its groups in alphabetical order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HeldAccount {
    pub(super) row: AccountRow,
    pub(super) groups: Vec<String>,
}

/// A row of the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VaultRow {
    pub(super) login: String,
    pub(super) full_name: String,
    pub(super) clearance: String,
    pub(super) recovery_phone: Option<String>,
}

/// A row of the badge desk's list, by column.
pub(super) type Badge = BTreeMap<String, String>;

type AccountColumns =
    (String, String, String, Option<String>, Option<String>, Option<String>, Option<String>, Option<i64>);

impl Systems {
    /// The application's accounts, by login.
    pub(super) async fn accounts(&self) -> anyhow::Result<BTreeMap<String, HeldAccount>> {
        let read = async {
            let mut connection = open(&self.app).await?;
            let accounts: Vec<AccountColumns> = sqlx::query_as(
                "SELECT login, mail, full_name, title, department, location, manager_login, cost_center FROM accounts",
            )
            .fetch_all(&mut connection)
            .await?;
            let memberships: Vec<(String, String)> =
                sqlx::query_as("SELECT account_login, group_name FROM memberships ORDER BY group_name")
                    .fetch_all(&mut connection)
                    .await?;
            Ok::<_, sqlx::Error>((accounts, memberships))
        };
        let (accounts, memberships) = read.await.with_context(|| format!("cannot read {}", self.app.display()))?;
        let mut held: BTreeMap<String, HeldAccount> = accounts.into_iter().map(account).collect();
        for (login, group) in memberships {
            let account = held.get_mut(&login).with_context(|| format!("membership of {login}, who has no account"))?;
            account.groups.push(group);
        }
        Ok(held)
    }

    /// The vault's rows, by login.
    pub(super) async fn vault(&self) -> anyhow::Result<BTreeMap<String, VaultRow>> {
        let read = async {
            let mut connection = open(&self.vault).await?;
            sqlx::query_as("SELECT login, full_name, clearance, recovery_phone FROM vault_accounts")
                .fetch_all(&mut connection)
                .await
        };
        let rows: Vec<(String, String, String, Option<String>)> =
            read.await.with_context(|| format!("cannot read {}", self.vault.display()))?;
        Ok(rows
            .into_iter()
            .map(|(login, full_name, clearance, recovery_phone)| {
                (login.clone(), VaultRow { login, full_name, clearance, recovery_phone })
            })
            .collect())
    }

    /// The badge desk's list, by badge number.
    pub(super) fn badges(&self) -> anyhow::Result<BTreeMap<String, Badge>> {
        let read = || {
            let mut reader = csv::Reader::from_path(&self.badges)?;
            reader.deserialize::<Badge>().collect::<Result<Vec<_>, csv::Error>>()
        };
        let rows = read().with_context(|| format!("cannot read {}", self.badges.display()))?;
        let mut badges = BTreeMap::new();
        for row in rows {
            let number = row.get("badge_number").cloned().unwrap_or_default();
            if badges.insert(number.clone(), row).is_some() {
                bail!("{} lists badge {number} twice", self.badges.display());
            }
        }
        Ok(badges)
    }

    /// Plays the person at the badge desk: types into the list what each order suggests, no more.
    pub(super) fn write_badges(&self, orders: &[ManualOrder]) -> anyhow::Result<()> {
        let write = || {
            let header = csv::Reader::from_path(&self.badges)?.headers()?.clone();
            let file = std::fs::OpenOptions::new().append(true).open(&self.badges)?;
            let mut writer = csv::Writer::from_writer(file);
            for order in orders {
                let suggested = |column: &str| {
                    let value = order.values.iter().find(|value| value.property == column);
                    value.and_then(|value| value.new_value.as_ref()).map(crate::show::value).unwrap_or_default()
                };
                writer.write_record(header.iter().map(suggested))?;
            }
            writer.flush()?;
            Ok::<_, csv::Error>(())
        };
        write().with_context(|| format!("cannot write {}", self.badges.display()))
    }

    /// Plays the application's administrator: frees the address that stands in the way.
    pub(super) async fn mend_app(&self) -> anyhow::Result<()> {
        let mend = async {
            let mut connection = open(&self.app).await?;
            sqlx::raw_sql(workplace::APP_MEND_SQL).execute(&mut connection).await
        };
        mend.await.with_context(|| format!("cannot change {}", self.app.display())).map(|_| ())
    }
}

async fn open(file: &Path) -> Result<SqliteConnection, sqlx::Error> {
    SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(10)).connect().await
}

fn account(columns: AccountColumns) -> (String, HeldAccount) {
    let (login, mail, full_name, title, department, location, manager_login, cost_center) = columns;
    let row = AccountRow {
        login: login.clone(),
        mail,
        full_name,
        title: title.unwrap_or_default(),
        department: department.unwrap_or_default(),
        location: location.unwrap_or_default(),
        manager_login,
        cost_center: cost_center.unwrap_or_default(),
    };
    (login, HeldAccount { row, groups: Vec::new() })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use provost_contract::fulfillment::v1::SuggestedValue;
    use provost_contract::types::v1::{Value, value::Kind};

    #[test]
    fn person_at_the_badge_desk_types_what_is_suggested() {
        let folder = tempfile::tempdir().unwrap();
        let badges = folder.path().join("badges.csv");
        std::fs::write(&badges, workplace::BADGES_CSV_HEADER).unwrap();
        let systems = Systems { app: PathBuf::new(), vault: PathBuf::new(), badges };
        let suggested = |property: &str, text: &str| SuggestedValue {
            property: property.into(),
            new_value: Some(Value { kind: Some(Kind::StringValue(text.into())) }),
            ..SuggestedValue::default()
        };
        let values = vec![suggested("printed_name", "ADA, \"L\""), suggested("badge_number", "1000001")];
        systems.write_badges(&[ManualOrder { values, ..ManualOrder::default() }]).unwrap();
        let held = systems.badges().unwrap();
        let row = held.get("1000001").unwrap();
        assert_eq!(row.get("printed_name").unwrap(), "ADA, \"L\"");
        assert_eq!(row.get("zone").unwrap(), "");
    }

    #[test]
    fn badge_that_is_listed_twice_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let badges = folder.path().join("badges.csv");
        let text = format!("{}1,A,E1,halls\n1,B,E2,halls\n", workplace::BADGES_CSV_HEADER);
        std::fs::write(&badges, text).unwrap();
        let systems = Systems { app: PathBuf::new(), vault: PathBuf::new(), badges };
        assert!(systems.badges().unwrap_err().to_string().contains("badge 1 twice"));
    }

    #[tokio::test]
    async fn system_that_is_not_there_is_an_error() {
        let nowhere = PathBuf::from("/nowhere/at/all");
        let systems = Systems { app: nowhere.clone(), vault: nowhere.clone(), badges: nowhere };
        assert!(systems.accounts().await.unwrap_err().to_string().contains("cannot read /nowhere"));
        assert!(systems.vault().await.is_err() && systems.badges().is_err() && systems.mend_app().await.is_err());
    }
}
