//! The operator's guide, compiled in: it is at hand without a network, and describes this version.
//!
//! Each topic is one Markdown file next to this one: a line with its title, an empty line, a line that sums it up, and the text. Its
//! commands are run by `tests/it/guide.rs`.

/// One file of the guide.
#[derive(Debug)]
pub(crate) struct Topic {
    /// How it is asked for.
    pub(crate) name: &'static str,
    /// The file.
    pub(crate) text: &'static str,
}

macro_rules! topics {
    ($($name:literal),+ $(,)?) => {
        /// In the order in which a newcomer reads them.
        pub(crate) const TOPICS: &[Topic] =
            &[$(Topic { name: $name, text: include_str!(concat!($name, ".md")) }),+];
    };
}

topics![
    "start",
    "clients",
    "trust",
    "users",
    "permissions",
    "passwords",
    "client-certificates",
    "tls",
    "ca",
    "acme",
    "repositories",
    "retention",
    "trash",
    "quotas",
    "storage",
    "database",
    "s3",
    "configuration",
    "files",
    "proxies",
    "limits",
    "systemd",
    "containers",
    "kubernetes",
    "cluster",
    "doctor",
    "monitoring",
    "check",
    "backup",
    "upgrade",
    "moving",
    "import",
];

impl Topic {
    /// The topic of this name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        TOPICS.iter().find(|topic| topic.name == name)
    }

    /// The topic whose name is most like this one.
    pub(crate) fn nearest(name: &str) -> Option<&'static Self> {
        TOPICS.iter().min_by_key(|topic| strsim::damerau_levenshtein(name, topic.name))
    }

    /// Its heading.
    pub(crate) fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }

    /// What it is about, in one line.
    pub(crate) fn summary(&self) -> &'static str {
        self.text.lines().nth(2).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_has_a_title_and_a_line_that_sums_it_up() {
        for topic in TOPICS {
            let head: Vec<&str> = topic.text.lines().take(4).collect();
            let [title, "", summary, ""] = head[..] else { panic!("{} begins with {head:?}", topic.name) };
            assert!(title.strip_prefix("# ").is_some_and(|title| !title.is_empty()), "{}: {title}", topic.name);
            assert!(summary.ends_with('.') && summary.len() <= 80, "{}: {summary}", topic.name);
        }
    }

    #[test]
    fn a_slip_finds_its_topic() {
        for (given, topic) in
            [("tsl", "tls"), ("mtls", "tls"), ("password", "passwords"), ("certificates", "client-certificates")]
        {
            assert_eq!(Topic::nearest(given).map(|topic| topic.name), Some(topic));
        }
    }
}
