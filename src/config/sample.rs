//! The sample file: every key with its documentation and its default, commented out.
//!
//! It is written from the definitions, and kept in the repository as `config/portcullis.toml`; a test compares the two.

use std::fmt::Write;

use super::{data_directory, definition::SampleKey, sections};

const HEAD: &str = r##"# Portcullis: every setting, commented out with its default.
#
# Portcullis needs none of this to start. To change a setting, remove the # before its name (lines that begin with
# "# " are explanations) and edit the value; `portcullis config check` then reports mistakes by line, and
# `portcullis config show` prints the values in force and where each comes from. Restart the server to apply a change.
#
# This file is read from /etc/portcullis/portcullis.toml, or from where --config or PORTCULLIS_CONFIG says.
#
# Each setting can be given by an environment variable instead: PORTCULLIS_, the section, the name, all in capitals,
# such as PORTCULLIS_AUTH_CHALLENGE=basic; lists with commas between the items. Short names: PORTCULLIS_HOSTS for
# server.hosts, PORTCULLIS_DATA for data_dir. A flag wins over a variable, a variable over this file. An empty
# variable counts as not set.
#
# Durations are written "30s", "5m", "24h", "30d" (or "1h30m"); sizes "512KiB", "4MiB", "10GiB" (or "10GB").
# Relative paths start from the directory of this file.
"##;

/// The sample file: what `config default` prints.
pub(crate) fn sample() -> String {
    let mut text = HEAD.to_owned();
    write_key(&mut text, &data_directory::sample());
    for (section, keys) in sections::samples() {
        // A `String` takes everything that is written to it.
        let _ = write!(text, "\n\n[{section}]\n");
        for key in &keys {
            write_key(&mut text, key);
        }
    }
    text
}

fn write_key(text: &mut String, key: &SampleKey) {
    text.push('\n');
    for line in key.text {
        let _ = writeln!(text, "#{line}");
    }
    let _ = writeln!(text, "#{} = {}", key.name, key.default);
}
