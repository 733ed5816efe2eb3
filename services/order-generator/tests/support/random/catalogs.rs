//! Catalogs over the organisation of [`super::organisation`]: other rules, other attributes, the same entity types.
//!
//! The rule that must hold: each is right, and its lists may be written in any order that says nothing. What is
//! counted or tried in its order stays in it: query, correlation and classification rules, and resource types that
//! are about one entity type.

use super::Dice;

/// The managed systems, and what is in them: the same in all catalogs, but for comparisons.
const SYSTEMS: &str = "
connectors:
  - name: hr
    connections: [ { name: hr-csv, package: csv } ]
    export: hr-csv
    thresholds: { deletions_percent: 0 }
  - name: app
    connections: [ { name: app-sql, package: sql } ]
    export: app-sql
    thresholds: { deletions_percent: 0 }
  - name: vault
    connections: [ { name: vault-sql, package: sql } ]
    export: vault-sql
    thresholds: { deletions_percent: 0 }
  - name: desk
    connections: [ { name: desk-ticket, package: manual-ticket } ]
";

/// An entity type, in the pieces that may change places.
fn entity_types(dice: &mut Dice) -> Vec<Item> {
    let texts = ["exact", "exact", "ignore_case", "ignore_diacritics", "simplified"];
    let (title, key, group) =
        (dice.pick(&texts), dice.pick(&["exact", "exact", "ignore_case"]), dice.pick(&texts[..3]));
    let entity = |name: &str, connector: &str, more: &str, properties: Vec<String>| {
        let head = format!("name: {name}\n    connector: {connector}\n    {more}");
        Item { group: 0, head, lists: vec![("properties", properties.into_iter().map(Part::free).collect())] }
    };
    let all = |properties: &[&str]| properties.iter().map(|one| format!("{{ {one} }}")).collect::<Vec<_>>();
    vec![
        entity(
            "Person",
            "hr",
            "key: employee_id\n    display_name: owner.name",
            all(&[
                "name: employee_id, type: string",
                "name: name, type: string",
                "name: login, type: string",
                "name: title, type: string",
                "name: department, type: string",
                "name: size, type: string",
                "name: mail, type: string",
                "name: start_date, type: timestamp",
                "name: end_date, type: timestamp",
                "name: pin, type: string, sensitive: true",
                "name: manager, navigation: Person",
                "name: team, type: string",
                "name: label, type: string, computed: \"owner.title + '/' + owner.department\"",
            ]),
        ),
        entity(
            "Position",
            "hr",
            "key: id",
            all(&[
                "name: id, type: string",
                "name: person, navigation: Person",
                "name: site, navigation: Site",
                "name: job, type: string",
                "name: from, type: timestamp",
                "name: until, type: timestamp",
            ]),
        ),
        entity("Site", "hr", "key: id", all(&["name: id, type: string", "name: city, type: string"])),
        entity(
            "Device",
            "hr",
            "key: serial",
            all(&[
                "name: serial, type: string",
                "name: kind, type: string",
                "name: user, navigation: Person",
                "name: until, type: timestamp",
            ]),
        ),
        entity(
            "Account",
            "app",
            "key: login",
            all(&[
                &format!("name: login, type: string, comparison: {key}"),
                &format!("name: title, type: string, comparison: {title}"),
                "name: mail, type: string, comparison: ignore_case",
                "name: size, type: integer",
                "name: enabled, type: boolean",
                "name: expires, type: timestamp",
                "name: boss, type: string",
                &format!("name: groups, navigation: Group, multi_valued: true, comparison: {group}"),
                "name: home, navigation: Group",
                "name: teams, navigation: Team, multi_valued: true",
                "name: unit, navigation: Team",
            ]),
        ),
        entity("Group", "app", "key: name", all(&["name: name, type: string"])),
        entity(
            "Team",
            "app",
            "key: id",
            all(&["name: id, type: string", "name: label, type: string", "name: site, navigation: Site"]),
        ),
        entity(
            "Safe",
            "vault",
            "key: login",
            all(&[
                "name: login, type: string",
                "name: title, type: string",
                "name: pin, type: string, sensitive: true",
                "name: members, type: string, multi_valued: true",
            ]),
        ),
        entity("Badge", "desk", "key: number", all(&["name: number, type: string", "name: name, type: string"])),
    ]
}

/// What the place of a line in its list says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Nothing.
    Free,
    /// By which number people are told of it, and which of several that hold is named.
    Numbered,
    /// Which of several counts.
    Counts,
}

/// One line of a list.
#[derive(Clone, Debug)]
struct Part {
    text: String,
    place: Place,
}

impl Part {
    const fn free(text: String) -> Self {
        Self { text, place: Place::Free }
    }

    const fn numbered(text: String) -> Self {
        Self { text, place: Place::Numbered }
    }

    const fn counted(text: String) -> Self {
        Self { text, place: Place::Counts }
    }
}

/// Which lists are written in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shuffled {
    /// Those of which people are told nothing.
    Unseen,
    /// Also rules that people are told of by their numbers.
    Numbered,
}

/// One thing that is declared. Things of the same group other than 0 keep their order.
#[derive(Clone, Debug)]
struct Item {
    group: usize,
    head: String,
    lists: Vec<(&'static str, Vec<Part>)>,
}

/// A catalog.
#[derive(Clone, Debug)]
pub struct Catalog {
    policy: String,
    dimensions: Vec<&'static str>,
    lists: Vec<(&'static str, Vec<Item>)>,
    /// What people may ask for: its name, whether it is a role, and for which owners.
    pub things: Vec<(String, bool, &'static str)>,
    /// The resource types.
    pub resource_types: Vec<String>,
}

/// Makes a resource type.
type Make<'a> = &'a dyn Fn(&mut Dice) -> Item;

/// What a rule may say of owners of some kind.
struct Words {
    owner: &'static str,
    has_positions: bool,
    has_context: bool,
}

impl Words {
    fn conditions(&self) -> Vec<&'static str> {
        let mut all = match self.owner {
            "Person" => vec![
                "owner.department == 'Finance'",
                "owner.department in ['Sales', 'Finance']",
                "owner.title != 'Clerk'",
                "owner.manager != null && owner.manager.department == 'Finance'",
                "int(owner.size) > 4",
                "owner.department == 'Sales' && int(owner.size) > 4",
                "owner.mail.endsWith('@b')",
                "owner.login.startsWith('p')",
            ],
            _ => vec![
                "owner.kind == 'laptop'",
                "owner.kind in ['phone', 'laptop']",
                "owner.user != null && owner.user.department == 'Sales'",
                "owner.kind != 'phone'",
            ],
        };
        if self.has_positions {
            all.extend(["position.job == 'lead'", "position.job == 'lead' && owner.department == 'Sales'"]);
        }
        all
    }

    /// Whom a rule is for; nothing is everybody.
    fn criteria(&self, dice: &mut Dice) -> Vec<String> {
        let mut parts = Vec::new();
        if self.has_context && dice.once_in(3) {
            let (name, values) = match dice.below(2) {
                0 => ("site", ["rome", "oslo", "bonn"]),
                _ => ("kind", ["Finance", "Sales", "laptop"]),
            };
            let first = dice.below(3);
            let values = if dice.once_in(2) {
                format!("[ {}, {} ]", values[first], values[(first + 1) % 3])
            } else {
                values[first].to_owned()
            };
            parts.push(format!("dimensions: {{ {name}: {values} }}"));
        }
        if parts.is_empty() && !dice.once_in(4) || dice.once_in(4) {
            parts.push(format!("when: \"{}\"", dice.pick(&self.conditions())));
        }
        parts
    }
}

fn offset(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "",
        "",
        "",
        "",
        "offset: { reference: before, before: 2d, after: 1d }",
        "offset: { reference: around, before: 1d, after: 2d }",
        "offset: { reference: after, before: 1d, after: 2d }",
    ])
}

fn rule(parts: Vec<String>) -> String {
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{{ {} }}", parts.join(", "))
}

/// Each once.
fn distinct(rules: Vec<String>, part: impl Fn(String) -> Part) -> Vec<Part> {
    let mut all: Vec<String> = Vec::new();
    for rule in rules {
        if !all.contains(&rule) {
            all.push(rule);
        }
    }
    all.into_iter().map(part).collect()
}

fn role_rules(dice: &mut Dice, words: &Words, most: usize) -> Vec<Part> {
    let count = dice.below(most + 1);
    let one = |dice: &mut Dice| {
        let mut parts = words.criteria(dice);
        if dice.once_in(7) && !parts.is_empty() {
            parts.push("denied: true".into());
        }
        rule(parts)
    };
    distinct((0..count).map(|_| one(dice)).collect(), Part::numbered)
}

fn stays(dice: &mut Dice) -> String {
    let approval = dice.pick(&["not_allowed", "0", "1", "2"]);
    let grace = dice.pick(&["", "", "\n    grace_period: 2d", "\n    grace_period: 0"]);
    let most = dice.pick(&["", "", "\n    max_duration: 5d"]);
    format!("\n    approval: {approval}{grace}{most}")
}

impl Catalog {
    /// One that the dice decide.
    pub fn any(dice: &mut Dice) -> Self {
        let has_positions = dice.once_in(2);
        let person = Words { owner: "Person", has_positions, has_context: true };
        let device = Words { owner: "Device", has_positions: false, has_context: dice.once_in(2) };
        let contexts = contexts(dice, has_positions, device.has_context);
        let mut things = Vec::new();
        let (mut roles, mut names) = (Vec::new(), Vec::new());
        for number in 0..2 + dice.below(3) {
            let name = format!("r{number}");
            let head = format!("name: {name}\n    owner: Person{}", stays(dice));
            roles.push(Item { group: 0, head, lists: vec![("rules", role_rules(dice, &person, 3))] });
            things.push((name.clone(), true, "Person"));
            names.push(name);
        }
        let head = format!("name: d0\n    owner: Device{}", stays(dice));
        roles.push(Item { group: 0, head, lists: vec![("rules", role_rules(dice, &device, 2))] });
        things.push(("d0".into(), true, "Device"));
        let mut composites = Vec::new();
        for number in 0..dice.below(3) {
            let mut of: Vec<String> = names.clone();
            dice.shuffle(&mut of);
            of.truncate(1 + dice.below(2));
            let head = format!("name: c{number}\n    owner: Person{}", stays(dice));
            let of = of.into_iter().map(Part::free).collect();
            let lists = vec![("roles", of), ("rules", role_rules(dice, &person, 2))];
            composites.push(Item { group: 0, head, lists });
            things.push((format!("c{number}"), true, "Person"));
        }
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let mut kinds = vec![account(dice, &person, &names, false)];
        let mut resource_types = vec!["AppAccount".to_owned()];
        let others: [(&str, Make<'_>); 5] = [
            ("AdminAccount", &|dice| account(dice, &person, &names, true)),
            ("SafeAccess", &|dice| safe(dice, &person, &names)),
            ("Badge-of", &|dice| badge(dice, &person, &names)),
            ("DeviceAccount", &|dice| device_account(dice, &device)),
            ("DeviceSafe", &|dice| device_safe(dice, &device)),
        ];
        for (name, make) in others {
            if dice.once_in(2) {
                kinds.push(make(dice));
                resource_types.push(name.to_owned());
            }
        }
        for name in &resource_types {
            let owner = if name.starts_with("Device") { "Device" } else { "Person" };
            things.push((name.clone(), false, owner));
        }
        let grace = dice.pick(&["", "grace_period: 1d"]);
        Self {
            policy: format!("policy: {{ {grace} }}"),
            dimensions: vec!["site", "kind"],
            lists: vec![
                ("entity_types", entity_types(dice)),
                ("contexts", contexts),
                ("roles", roles),
                ("composite_roles", composites),
                ("resource_types", kinds),
            ],
            things,
            resource_types,
        }
    }

    /// As a file. With dice, whatever may stand anywhere stands somewhere.
    pub fn text(&self, shuffled: Option<(&mut Dice, Shuffled)>) -> String {
        let mut this = self.clone();
        if let Some((dice, which)) = shuffled {
            let stays = |part: &Part| match part.place {
                Place::Free => false,
                Place::Numbered => which != Shuffled::Numbered,
                Place::Counts => true,
            };
            dice.shuffle(&mut this.dimensions);
            dice.shuffle(&mut this.lists);
            for (_, items) in &mut this.lists {
                shuffle_but(dice, items, |item| item.group);
                for item in items {
                    for (_, parts) in &mut item.lists {
                        shuffle_but(dice, parts, |part| usize::from(stays(part)));
                    }
                    dice.shuffle(&mut item.lists);
                }
            }
        }
        let mut text = format!("{}\ndimensions: [ {} ]{SYSTEMS}", this.policy, this.dimensions.join(", "));
        for (list, items) in this.lists.iter().filter(|(_, items)| !items.is_empty()) {
            text += &format!("{list}:\n");
            for item in items {
                text += &format!("  - {}\n", item.head);
                for (name, parts) in item.lists.iter().filter(|(_, parts)| !parts.is_empty()) {
                    text += &format!("    {name}:\n");
                    parts.iter().for_each(|part| text += &format!("      - {}\n", part.text));
                }
            }
        }
        text
    }
}

/// Shuffles; those of one group other than 0 keep their order among each other.
fn shuffle_but<T: Clone>(dice: &mut Dice, all: &mut [T], group: impl Fn(&T) -> usize) {
    let before = all.to_vec();
    dice.shuffle(all);
    let mut groups: Vec<usize> = before.iter().map(&group).filter(|group| *group > 0).collect();
    groups.sort_unstable();
    groups.dedup();
    for of in groups {
        let mut ordered = before.iter().filter(|one| group(one) == of);
        for place in all.iter_mut().filter(|one| group(one) == of) {
            if let Some(one) = ordered.next() {
                *place = one.clone();
            }
        }
    }
}

fn contexts(dice: &mut Dice, has_positions: bool, has_devices: bool) -> Vec<Item> {
    let mut all = Vec::new();
    let person = if has_positions {
        "entity_type: Person
    positions: { entity_type: Position, owner: person }
    valid_from: position.from
    valid_until: position.until
    dimensions:
      site: \"position.site == null ? null : position.site.city\"
      kind: owner.department"
    } else if dice.once_in(4) {
        "entity_type: Person
    dimensions: { kind: owner.department, site: owner.team }"
    } else {
        "entity_type: Person
    valid_from: owner.start_date
    valid_until: owner.end_date
    dimensions: { site: owner.team, kind: owner.department }"
    };
    all.push(Item { group: 0, head: person.into(), lists: vec![] });
    if has_devices {
        let head = "entity_type: Device
    valid_until: owner.until
    dimensions: { kind: owner.kind, site: \"owner.user == null ? null : owner.user.team\" }";
        all.push(Item { group: 0, head: head.into(), lists: vec![] });
    }
    all
}

/// What resource types may say beside their rules.
fn attributes(dice: &mut Dice, depends_on: &[&str]) -> String {
    let mut text = String::new();
    let mut say = |is_said: bool, what: &str| {
        if is_said {
            text += &format!("\n    {what}");
        }
    };
    let is_reviewed = dice.once_in(4);
    say(!is_reviewed, "review: false");
    say(dice.once_in(8), "allow_add: false");
    say(dice.once_in(8), "allow_remove: false");
    say(dice.once_in(2), "remove_orphans: true");
    say(dice.once_in(5), "correlate_multiple: true");
    say(dice.once_in(4), "discard_manual_assignments: true");
    say(dice.once_in(5), "priority: 3");
    let hours = dice.pick(&["", "", "24", "48"]);
    say(!hours.is_empty(), &format!("fulfill_ahead_hours: {hours}"));
    let approval = dice.pick(&["", "0", "1", "2"]);
    say(!approval.is_empty(), &format!("approval: {approval}"));
    if dice.once_in(2) && !depends_on.is_empty() {
        say(true, &format!("depends_on: {}", dice.pick(depends_on)));
    }
    // A few are held back now and then.
    let limits = match dice.once_in(10) {
        true => "thresholds: { updates: 2, additions_percent: 0, updates_percent: 0, deletions_percent: 0 }",
        false => "thresholds: { additions_percent: 0, updates_percent: 0, deletions_percent: 0 }",
    };
    text + "\n    " + limits
}

fn type_rules(dice: &mut Dice, words: &Words, roles: &[&str]) -> Vec<Part> {
    let mut rules = Vec::new();
    for _ in 0..1 + dice.below(2) {
        let mut parts = Vec::new();
        if dice.once_in(2) && !roles.is_empty() {
            parts.push(format!("role: {}", dice.pick(roles)));
        }
        parts.extend(words.criteria(dice));
        if !rules.is_empty() && dice.once_in(5) {
            parts.push("denied: true".into());
        }
        parts.push(offset(dice).into());
        rules.push(rule(parts));
    }
    if dice.once_in(2) {
        rules.push("{}".to_owned());
    }
    distinct(rules, Part::numbered)
}

/// The values of one property: one, or one that counts and another one before or after.
fn values(dice: &mut Dice, property: &str, values: &[&str]) -> Vec<String> {
    let first = dice.pick(values);
    let mut rules = vec![format!("{{ property: {property}, value: \"{first}\" }}")];
    let offset = offset(dice);
    if !offset.is_empty() && dice.once_in(2) {
        rules.push(format!("{{ property: {property}, value: \"{}\", {offset} }}", dice.pick(values)));
    }
    rules
}

fn links(dice: &mut Dice, words: &Words, roles: &[&str], property: &str, targets: &[&str], most: usize) -> Vec<String> {
    let mut rules = Vec::new();
    for _ in 0..dice.below(most + 1) {
        let mut parts = vec![format!("property: {property}"), format!("target: {}", dice.pick(targets))];
        if dice.once_in(2) && !roles.is_empty() {
            parts.push(format!("role: {}", dice.pick(roles)));
        }
        parts.extend(words.criteria(dice));
        if dice.once_in(8) && parts.len() > 2 {
            parts.push("denied: true".into());
        }
        parts.push(offset(dice).into());
        rules.push(rule(parts));
    }
    rules
}

fn query_rules(dice: &mut Dice, property: &str, most: usize) -> Vec<String> {
    let mut rules: Vec<(String, String)> = Vec::new();
    for _ in 0..dice.below(most + 1) {
        let source =
            dice.pick(&["owner.team", "owner.department", "owner.team + owner.department", "string(int(owner.size))"]);
        let target =
            dice.pick(&["target.label", "target.id", "target.label + (target.site == null ? '' : target.site.city)"]);
        let mut parts = vec![
            format!("property: {property}"),
            format!("source: {source}"),
            format!("target: \"{target}\""),
            format!("confidence: {}", dice.pick(&["60", "100", "120"])),
        ];
        if dice.once_in(5) {
            parts.push("required: true".into());
        }
        let sides = format!("{source} {target}");
        if rules.iter().all(|(known, _)| *known != sides) {
            rules.push((sides, rule(parts)));
        }
    }
    rules.into_iter().map(|(_, rule)| rule).collect()
}

fn correlation_rules(dice: &mut Dice) -> Vec<String> {
    let mut sides = vec![
        ("owner.mail", "target.mail"),
        ("owner.name", "target.title"),
        ("string(int(owner.size))", "string(target.size)"),
        ("owner.mail.lower()", "target.mail.lower()"),
    ];
    dice.shuffle(&mut sides);
    let count = dice.pick(&[0, 0, 1, 2]);
    let one = |(source, target): &(&str, &str)| {
        format!("{{ source: {source}, target: {target}, confidence: {} }}", dice.pick(&["50", "80", "100", "120"]))
    };
    sides.iter().take(count).map(one).collect()
}

/// Things about one entity type keep their order: of equally sure ones the first counts.
const ACCOUNTS: usize = 1;
const SAFES: usize = 2;

fn account(dice: &mut Dice, words: &Words, roles: &[&str], is_admin: bool) -> Item {
    let (name, login) = match is_admin {
        true => ("AdminAccount", "'adm-' + owner.login"),
        false => ("AppAccount", dice.pick(&["owner.login", "owner.login", "owner.login", "owner.login.upper()"])),
    };
    let mut head = format!("name: {name}\n    owner: Person\n    target: Account\n    connection: app-sql");
    head += &attributes(dice, if is_admin { &["AppAccount"] } else { &[] });
    if dice.once_in(3) {
        head += "\n    arguments: { place: owner.department }";
    }
    let mut scalars = vec![format!("{{ property: login, value: \"{login}\" }}")];
    let titles = ["owner.title", "owner.title", "'Staff'", "owner.label", "owner.name", "''"];
    scalars.extend(values(dice, "title", &titles));
    if words.has_positions && dice.once_in(2) {
        scalars.extend(values(dice, "boss", &["position.job", "position.site == null ? '' : position.site.city"]));
    } else if dice.once_in(2) {
        scalars.extend(values(
            dice,
            "boss",
            &["owner.manager == null ? '' : owner.manager.login", "owner.manager.login"],
        ));
    }
    if dice.once_in(2) {
        scalars.extend(values(dice, "size", &["int(owner.size)", "7"]));
    }
    if dice.once_in(2) {
        scalars.extend(values(dice, "enabled", &["true", "owner.department != 'Sales'", "false"]));
    }
    if dice.once_in(3) {
        scalars.extend(values(dice, "expires", &["owner.end_date"]));
    }
    if dice.once_in(2) {
        scalars.extend(values(dice, "mail", &["owner.mail", "owner.mail", "owner.login + '@a'"]));
    }
    let mut navigations = links(dice, words, roles, "groups", &["g1", "g2", "g3"], 4);
    let mut queries = query_rules(dice, "teams", 2);
    if dice.once_in(2) {
        navigations.extend(links(dice, words, roles, "home", &["g1", "g2"], 1));
    }
    if dice.once_in(2) {
        queries.extend(query_rules(dice, "unit", 2));
    }
    let mut classifications = Vec::new();
    if is_admin && !dice.once_in(4) || dice.once_in(5) {
        let prefix = if is_admin { "adm-" } else { "p" };
        classifications.push(format!(
            "{{ when: target.login.startsWith('{prefix}'), confidence: {} }}",
            dice.pick(&["60", "100", "120"])
        ));
        if dice.once_in(3) {
            classifications.push(format!("{{ when: target.size > 4, confidence: {} }}", dice.pick(&["40", "110"])));
        }
    }
    Item {
        group: ACCOUNTS,
        head,
        lists: vec![
            ("type_rules", type_rules(dice, words, roles)),
            ("scalar_rules", distinct(scalars, Part::free)),
            ("navigation_rules", distinct(navigations, Part::numbered)),
            ("query_rules", queries.into_iter().map(Part::counted).collect()),
            ("correlation_rules", correlation_rules(dice).into_iter().map(Part::counted).collect()),
            ("classification_rules", classifications.into_iter().map(Part::counted).collect()),
        ],
    }
}

fn safe(dice: &mut Dice, words: &Words, roles: &[&str]) -> Item {
    let mut head = "name: SafeAccess\n    owner: Person\n    target: Safe\n    connection: vault-sql".to_owned();
    head += &attributes(dice, &["AppAccount"]);
    if dice.once_in(3) {
        head += "\n    depends_on_owner_property: mail";
    }
    let mut scalars = vec!["{ property: login, value: owner.login }".to_owned()];
    scalars.extend(values(dice, "title", &["owner.title", "owner.name"]));
    if dice.once_in(2) {
        scalars.push("{ property: pin, value: owner.pin }".into());
    }
    if dice.once_in(3) {
        scalars.push("{ property: members, value: \"[owner.login, owner.team]\" }".into());
    }
    let lists = vec![("type_rules", type_rules(dice, words, roles)), ("scalar_rules", distinct(scalars, Part::free))];
    Item { group: SAFES, head, lists }
}

fn badge(dice: &mut Dice, words: &Words, roles: &[&str]) -> Item {
    let mut head = "name: Badge-of\n    owner: Person\n    target: Badge\n    connection: desk-ticket".to_owned();
    head += &attributes(dice, &["AppAccount"]);
    let mut scalars = vec!["{ property: number, value: owner.employee_id }".to_owned()];
    scalars.extend(values(dice, "name", &["owner.name", "owner.title"]));
    let lists = vec![("type_rules", type_rules(dice, words, roles)), ("scalar_rules", distinct(scalars, Part::free))];
    Item { group: 0, head, lists }
}

fn device_account(dice: &mut Dice, words: &Words) -> Item {
    let mut head = "name: DeviceAccount\n    owner: Device\n    target: Account\n    connection: app-sql".to_owned();
    head += &attributes(dice, &[]);
    let mut scalars = vec!["{ property: login, value: owner.serial }".to_owned()];
    scalars.extend(values(dice, "title", &["owner.kind", "owner.user == null ? '' : owner.user.name"]));
    let mut classifications = Vec::new();
    if dice.once_in(2) {
        classifications.push(Part::counted("{ when: target.login.startsWith('D'), confidence: 110 }".into()));
    }
    let lists = vec![
        ("type_rules", type_rules(dice, words, &["d0"])),
        ("scalar_rules", distinct(scalars, Part::free)),
        ("navigation_rules", distinct(links(dice, words, &["d0"], "groups", &["g1", "g3"], 2), Part::numbered)),
        ("classification_rules", classifications),
    ];
    Item { group: ACCOUNTS, head, lists }
}

fn device_safe(dice: &mut Dice, words: &Words) -> Item {
    let mut head = "name: DeviceSafe\n    owner: Device\n    target: Safe\n    connection: vault-sql".to_owned();
    head += &attributes(dice, &[]);
    // Now and then it is the user's own.
    let login = dice.pick(&["owner.serial", "owner.user == null ? owner.serial : owner.user.login"]);
    let mut scalars = vec![format!("{{ property: login, value: \"{login}\" }}")];
    scalars.extend(values(dice, "title", &["owner.kind"]));
    let lists = vec![("type_rules", type_rules(dice, words, &["d0"])), ("scalar_rules", distinct(scalars, Part::free))];
    Item { group: SAFES, head, lists }
}
