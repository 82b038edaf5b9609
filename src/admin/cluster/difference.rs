//! Settings that differ between nodes and must not.

use std::collections::BTreeMap;

use crate::storage::coordination::NodeRecord;

/// A setting, and which nodes have which value of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Its key.
    pub(crate) setting: String,
    /// The addresses of the nodes by their value, as a configuration file would have it.
    pub(crate) values: BTreeMap<String, Vec<String>>,
}

impl Difference {
    /// `true on a:5000; false on b:5000, c:5000`.
    pub(crate) fn values_in_words(&self) -> String {
        let values = self.values.iter().map(|(value, nodes)| format!("{value} on {}", nodes.join(", ")));
        values.collect::<Vec<_>>().join("; ")
    }
}

/// On what these nodes disagree. A setting that one of them does not know is one of another version.
pub(crate) fn differences(nodes: &[NodeRecord]) -> Vec<Difference> {
    let mut settings: BTreeMap<&str, BTreeMap<String, Vec<String>>> = BTreeMap::new();
    for node in nodes {
        for (setting, value) in &node.settings {
            let nodes = settings.entry(setting).or_default().entry(value.clone()).or_default();
            nodes.push(node.address.clone());
        }
    }
    let differing = settings.into_iter().filter(|(_, values)| values.len() > 1);
    differing.map(|(setting, values)| Difference { setting: setting.to_owned(), values }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(address: &str, settings: &[(&str, &str)]) -> NodeRecord {
        NodeRecord {
            id: address.to_owned(),
            version: "0.1.0".to_owned(),
            address: address.to_owned(),
            started_at: 0,
            seen_at: 0,
            leaving: false,
            clock_ahead: 0,
            settings: settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn what_differs_is_told_with_all_who_have_it() {
        let nodes = [
            node("a:1", &[("storage.read_only", "true"), ("delete.enabled", "true")]),
            node("b:1", &[("storage.read_only", "false"), ("delete.enabled", "true"), ("new.key", "1")]),
            node("c:1", &[("storage.read_only", "false"), ("delete.enabled", "true")]),
        ];
        let found = differences(&nodes);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].setting, "storage.read_only");
        assert_eq!(found[0].values_in_words(), "false on b:1, c:1; true on a:1");
        assert!(differences(&nodes[1..]).is_empty());
    }
}
