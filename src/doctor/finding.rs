//! What an examination found: one check, its outcome, why it matters, and what mends it.

use serde::Serialize;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// It works, but will not for long, or not for everybody; or it could not be looked at.
    Warning,
    /// It is broken.
    Problem,
}

/// One outcome of one check. No text of it holds control characters: some come from strangers, and all go to a terminal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at, in a word that programs may rely on.
    pub check: &'static str,
    /// How it came out.
    pub state: State,
    /// What was found.
    pub what: String,
    /// Why it matters; `None` where all is well.
    pub why: Option<String>,
    /// The one command or edit that mends it; `None` where all is well.
    pub mend: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, what: impl AsRef<str>) -> Self {
        Self { check, state: State::Ok, what: plain(what.as_ref()), why: None, mend: None }
    }

    /// It works for now, or for some.
    pub fn warning(check: &'static str, what: impl AsRef<str>, why: impl AsRef<str>, mend: impl AsRef<str>) -> Self {
        Self::wrong(State::Warning, check, what.as_ref(), why.as_ref(), mend.as_ref())
    }

    /// It is broken.
    pub fn problem(check: &'static str, what: impl AsRef<str>, why: impl AsRef<str>, mend: impl AsRef<str>) -> Self {
        Self::wrong(State::Problem, check, what.as_ref(), why.as_ref(), mend.as_ref())
    }

    /// It could not be looked at.
    pub fn unknown(check: &'static str, reason: impl AsRef<str>) -> Self {
        let what = format!("not checked: {}", reason.as_ref());
        Self::warning(check, what, "whether this is in order stays unknown", "mend that first, then run doctor again")
    }

    fn wrong(state: State, check: &'static str, what: &str, why: &str, mend: &str) -> Self {
        Self { check, state, what: plain(what), why: Some(plain(why)), mend: Some(plain(mend)) }
    }
}

/// Without what a terminal would obey, on one line.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_reach_the_terminal() {
        let finding = Finding::problem("tls", "a\u{1b}[2Jb\nc", "d\u{9b}e", "f\rg");
        assert_eq!((finding.what.as_str(), finding.why.as_deref()), ("a [2Jb c", Some("d e")));
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!((&json["state"], &json["mend"]), (&"problem".into(), &"f g".into()));
        assert!(serde_json::to_value(Finding::ok("tls", "fine")).unwrap()["why"].is_null());
    }
}
