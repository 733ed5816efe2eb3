//! Where in the directory the entries of an entity type are, and which attribute a property is.

use provost_domain::Order;
use std::collections::BTreeMap;

/// Where an entity type is kept: directly below one entry, each resource named by its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapEntity {
    /// The entry that holds them.
    pub base_dn: String,
    /// The attribute that names an entry; it holds the key.
    pub rdn_attribute: String,
    /// The object classes of a new entry.
    pub object_classes: Vec<String>,
    /// The attribute of a property, where it is not named alike.
    pub attributes: BTreeMap<String, String>,
    /// Which entries count.
    pub filter: String,
    /// Properties kept at other entries: the groups of an account.
    pub links: BTreeMap<String, LdapLink>,
}

/// Membership, kept at the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LdapLink {
    /// The entity type of the groups, in the same connection.
    pub entity: String,
    /// The attribute of a group that holds its members' DNs.
    pub attribute: String,
}

impl LdapEntity {
    /// Puts a filter that stands bare (`objectClass=person`) into parentheses: it becomes part of others.
    pub(super) fn enclose_filter(&mut self) {
        let filter = self.filter.trim();
        self.filter = if filter.starts_with('(') { filter.to_owned() } else { format!("({filter})") };
    }

    /// The attribute that holds a property.
    pub(super) fn attribute<'a>(&'a self, property: &'a str) -> &'a str {
        self.attributes.get(property).map_or(property, String::as_str)
    }

    /// Whether the property names the entry.
    pub(super) fn is_key(&self, property: &str) -> bool {
        self.attribute(property).eq_ignore_ascii_case(&self.rdn_attribute)
    }

    /// The DN of the resource with that key.
    pub(super) fn dn(&self, key: &str) -> String {
        super::dn::child(&self.rdn_attribute, key, &self.base_dn)
    }

    /// The property kept in an attribute, among those that the order changes.
    pub(super) fn property_of<'a>(&self, attribute: &str, order: &'a Order) -> Option<&'a str> {
        let mut properties = order.changes.iter().map(|change| change.property.as_str());
        properties.find(|property| self.attribute(property).eq_ignore_ascii_case(attribute))
    }

    /// What is wrong with the settings, each with the setting it stands in.
    pub(super) fn mistakes(&self, entities: &BTreeMap<String, Self>) -> Vec<String> {
        let mut mistakes = Vec::new();
        if super::dn::normalized(&self.base_dn).is_none() {
            mistakes.push(format!("base_dn: '{}' is not a DN", self.base_dn));
        }
        if ldap3::parse_filter(&self.filter).is_err() {
            mistakes.push(format!("filter: '{}' is not a filter", self.filter));
        }
        let mut attributes = vec![("rdn_attribute".to_owned(), &self.rdn_attribute)];
        attributes.extend(self.attributes.iter().map(|(property, name)| (format!("attributes.{property}"), name)));
        attributes.extend(self.links.iter().map(|(name, link)| (format!("links.{name}.attribute"), &link.attribute)));
        for (place, name) in attributes.into_iter().filter(|(_, name)| !is_attribute(name)) {
            mistakes.push(format!("{place}: '{name}' is not the name of an attribute"));
        }
        for (name, link) in self.links.iter().filter(|(_, link)| !entities.contains_key(&link.entity)) {
            mistakes.push(format!("links.{name}.entity: the connection has no entity '{}'", link.entity));
        }
        mistakes
    }
}

fn is_attribute(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | ';' | '.' | '_'))
}
