//! A host name as a setting: one value, or the items of a list.

use super::setting::{Setting, ValueError};
use crate::domain::net::HostName;

impl Setting for HostName {
    const EXPECTED: &'static str = Self::EXPECTED;

    fn parse(text: &str) -> Result<Self, ValueError> {
        text.parse().map_err(ValueError::new)
    }

    fn to_toml(&self) -> toml::Value {
        toml::Value::String(self.to_string())
    }
}
