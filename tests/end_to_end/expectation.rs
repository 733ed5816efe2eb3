//! What the directory must hold, computed straight from the HR feed as it lies on the disk: the file is
//! parsed here, and nothing of the catalog, of the role model, of the ledger or of the sample's own
//! expectation takes part.

use chrono::NaiveDate;
use provost_testkit::{Attributes, Slapd};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The object class that the agent is told to give to new entries; no rule computes it.
const OBJECT_CLASS: &str = "inetOrgPerson";
const CEO: &str = "E000001";

/// A line of the feed, by column.
struct Row(BTreeMap<String, String>);

impl Row {
    fn get(&self, column: &str) -> &str {
        self.0.get(column).unwrap_or_else(|| panic!("the feed has no column {column}"))
    }

    fn is_here(&self, today: NaiveDate) -> bool {
        let day = |column| Some(self.get(column)).filter(|text| !text.is_empty()).map(|text| text.parse().unwrap());
        day("start_date").is_none_or(|first: NaiveDate| first <= today)
            && day("end_date").is_none_or(|last: NaiveDate| today <= last)
    }

    /// Every attribute of the person's entry, but for its object class.
    fn attributes(&self) -> Attributes {
        let full_name = format!("{} {}", self.get("first_name"), self.get("last_name"));
        [
            ("uid", self.get("login")),
            ("cn", &full_name),
            ("sn", self.get("last_name")),
            ("givenName", self.get("first_name")),
            ("mail", self.get("mail")),
            ("title", self.get("title")),
            ("departmentNumber", self.get("cost_center")),
            ("employeeNumber", self.get("employee_id")),
        ]
        .map(|(name, value)| (name.to_owned(), BTreeSet::from([value.to_owned()])))
        .into()
    }

    fn groups(&self) -> BTreeSet<String> {
        let (department, location, title) = (self.get("department"), self.get("location"), self.get("title"));
        let contractor = self.get("worker_type") == "contractor";
        let reports_to_the_top = ["", CEO].contains(&self.get("manager"));
        let (manager, senior) = (title.ends_with("Manager"), title.starts_with("Senior "));
        let mut groups = BTreeSet::from(["everyone".to_owned(), format!("dept-{}", plain(department))]);
        let mut add = |holds: bool, group: &str| {
            if holds {
                groups.insert(group.to_owned());
            }
        };
        add(true, if contractor { "contractors" } else { "employees" });
        add(reports_to_the_top, "leadership");
        add(manager || reports_to_the_top, "managers");
        add(senior, "seniors");
        add(true, &format!("site-{}", plain(location)));
        let managed = ["Engineering", "Operations", "Sales", "Support", "Finance", "IT"];
        add(manager && managed.contains(&department), &format!("managers-{}", plain(department)));
        let with_contractors = ["Engineering", "Operations", "Sales", "Support"];
        add(contractor && with_contractors.contains(&department), &format!("contractors-{}", plain(department)));
        add(department == "Engineering" && ["Lyon", "Kraków", "Zürich"].contains(&location), "engineering-eu");
        add((department == "IT" && !contractor) || (department == "Engineering" && senior), "production-access");
        let dangerous = ["Laboratory Technician", "Warehouse Associate"].contains(&title);
        add(location == "Rotterdam Depot" || dangerous, "safety-training");
        add(true, if self.get("last_name") < "N" { "newsletter-a-to-m" } else { "newsletter-n-to-z" });
        // The one department without a group.
        groups.remove("dept-executive");
        groups
    }
}

/// As the names of groups are written.
fn plain(text: &str) -> String {
    text.replace(' ', "-").replace('ó', "o").replace('ü', "u").replace('ã', "a").to_lowercase()
}

fn dn(login: &str) -> String {
    format!("uid={login},ou=people,{}", Slapd::SUFFIX)
}

/// Searches the directory, and fails with the first person, and then the first group, that is not as
/// the feed says.
pub(crate) async fn assert_directory(feed: &Path, slapd: &Slapd) {
    let accounts = slapd.search(&format!("ou=people,{}", Slapd::SUFFIX), "(objectClass=inetOrgPerson)").await;
    let groups = slapd.search(&format!("ou=groups,{}", Slapd::SUFFIX), "(objectClass=groupOfNames)").await;
    assert_equal(feed, accounts, &groups);
}

fn assert_equal(feed: &Path, mut accounts: BTreeMap<String, Attributes>, groups: &BTreeMap<String, Attributes>) {
    let today = chrono::Utc::now().date_naive();
    let rows = csv::Reader::from_path(feed).unwrap().into_deserialize().map(|row| Row(row.unwrap()));
    let mut members: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut people = 0;
    for person in rows.filter(|row| row.is_here(today)) {
        let dn = dn(person.get("login"));
        let mut account = accounts.remove(&dn).unwrap_or_else(|| panic!("{} has no account", person.get("login")));
        let classes = account.remove("objectClass").unwrap_or_default();
        assert!(classes.contains(OBJECT_CLASS), "{dn} is {classes:?}");
        assert_eq!(account, person.attributes(), "{dn}");
        for group in person.groups() {
            members.entry(format!("cn={group},ou=groups,{}", Slapd::SUFFIX)).or_default().insert(dn.clone());
        }
        people += 1;
    }
    assert!(people > 0, "nobody in the feed is here today");
    assert!(accounts.is_empty(), "accounts that nobody should have: {:?}", accounts.keys());
    let strangers: Vec<_> = members.keys().filter(|group| !groups.contains_key(*group)).collect();
    assert!(strangers.is_empty(), "groups that the directory does not have: {strangers:?}");
    for (group, attributes) in groups {
        let mut expected = members.remove(group).unwrap_or_default();
        // A groupOfNames may not be empty; this member is nobody's account.
        expected.insert(Slapd::SUFFIX.to_owned());
        let found = attributes.get("member").cloned().unwrap_or_default();
        let (missing, extra): (Vec<_>, Vec<_>) =
            (expected.difference(&found).collect(), found.difference(&expected).collect());
        assert!(missing.is_empty() && extra.is_empty(), "{group}: missing {missing:?}, extra {extra:?}");
    }
}
