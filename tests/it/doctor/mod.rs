//! The doctor, on the server and on a client's host: each broken thing has its finding, and a healthy registry has none.

mod bucket;
mod client;
mod server;

use std::process::Output;

use serde_json::Value;

/// What doctor found, and how it ended.
struct Report {
    findings: Vec<Value>,
    code: Option<i32>,
}

impl Report {
    fn of(output: &Output) -> Self {
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr).into_owned());
        let findings: Vec<Value> =
            serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}{complained}"));
        for finding in &findings {
            let is_ok = finding["state"] == "ok";
            assert_eq!(finding["why"].is_null(), is_ok, "{finding}");
            assert_eq!(finding["fix"].is_null(), is_ok, "{finding}");
        }
        let problems = findings.iter().filter(|finding| finding["state"] == "problem").count();
        let code = output.status.code();
        assert_eq!(code, Some(i32::from(problems > 0)), "{findings:#?}{complained}");
        assert_eq!(complained.lines().count(), usize::from(problems > 0), "{complained}");
        Self { findings, code }
    }

    /// No problem, and exit code 0.
    fn healthy(&self) {
        assert_eq!(self.code, Some(0), "{:#?}", self.findings);
    }

    /// The finding of this check and state whose text holds `what`.
    fn find(&self, check: &str, state: &str, what: &str) -> &Value {
        let holds = |finding: &&Value| {
            finding["check"] == check
                && finding["state"] == state
                && finding["what"].as_str().is_some_and(|text| text.contains(what))
        };
        self.findings
            .iter()
            .find(holds)
            .unwrap_or_else(|| panic!("no {state} of {check} with {what:?} in {:#?}", self.findings))
    }

    /// The command that fixes this problem.
    fn fix(&self, check: &str, what: &str) -> &str {
        self.find(check, "problem", what)["fix"].as_str().expect("a text")
    }

    fn has(&self, check: &str, state: &str) -> bool {
        self.findings.iter().any(|finding| finding["check"] == check && finding["state"] == state)
    }
}
