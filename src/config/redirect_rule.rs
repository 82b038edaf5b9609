//! Which clients are redirected.

use ipnet::IpNet;
use toml::de::DeValue;

use super::setting::{Setting, ValueError, quoted};

/// None, all, or those of some networks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectRule {
    /// None.
    Never,
    /// All.
    Always,
    /// Those whose address is of one of these.
    Networks(Vec<IpNet>),
}

impl Setting for RedirectRule {
    const EXPECTED: &'static str = r#""never", "always" or a list of networks such as ["10.0.0.0/8"]"#;

    fn parse(text: &str) -> Result<Self, ValueError> {
        match text {
            "never" => Ok(Self::Never),
            "always" => Ok(Self::Always),
            list => Self::of(Vec::parse(list).map_err(|_| wrong(text))?).ok_or_else(|| wrong(text)),
        }
    }

    fn from_toml(value: &DeValue<'_>) -> Result<Self, ValueError> {
        match value {
            DeValue::Array(_) => {
                Vec::from_toml(value).and_then(|networks| Self::of(networks).ok_or_else(|| wrong("[]")))
            }
            DeValue::String(text) => Self::parse(text),
            other => Err(super::setting::unexpected(other, Self::EXPECTED)),
        }
    }

    fn to_toml(&self) -> toml::Value {
        match self {
            Self::Never => toml::Value::String("never".to_owned()),
            Self::Always => toml::Value::String("always".to_owned()),
            Self::Networks(networks) => networks.to_toml(),
        }
    }
}

impl RedirectRule {
    fn of(networks: Vec<IpNet>) -> Option<Self> {
        (!networks.is_empty()).then_some(Self::Networks(networks))
    }
}

fn wrong(text: &str) -> ValueError {
    ValueError::new(format!("{} is not {}", quoted(text), RedirectRule::EXPECTED))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_a_word_or_networks() {
        let rule = |text: &str| RedirectRule::parse(text).unwrap();
        assert_eq!((rule("never"), rule("always")), (RedirectRule::Never, RedirectRule::Always));
        let networks = ["10.0.0.0/8", "fd00::/8"].map(|network| network.parse().unwrap());
        assert_eq!(rule("10.0.0.0/8, fd00::/8"), RedirectRule::Networks(networks.to_vec()));
        for text in ["", "sometimes", "10.0.0.1/8"] {
            assert!(RedirectRule::parse(text).unwrap_err().text.contains("10.0.0.0/8"), "{text}");
        }
        assert_eq!(rule("10.0.0.0/8").to_toml().to_string(), r#"["10.0.0.0/8"]"#);
    }
}
