//! A host name as a setting: one value, or the items of a list.

use super::setting::{Complaint, Setting};
use crate::domain::HostName;

impl Setting for HostName {
    const EXPECTED: &'static str = Self::EXPECTED;

    fn parse(text: &str) -> Result<Self, Complaint> {
        text.parse().map_err(Complaint::new)
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}
