//! `portcullis man`: manual pages, generated from the same text as `--help`.

use std::fs;
use std::path::Path;

use anyhow::Context;
use clap::Command;

use super::output::Output;

pub(super) fn run(command: &Command, dir: Option<&Path>, output: &Output) -> anyhow::Result<()> {
    let mut command = command.clone();
    command.build();
    let Some(dir) = dir else {
        return output.raw(&page(command)?);
    };
    fs::create_dir_all(dir).with_context(|| format!("cannot create the directory {}", dir.display()))?;
    clap_mangen::generate_to(command, dir).with_context(|| format!("cannot write into {}", dir.display()))
}

fn page(command: Command) -> anyhow::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command).render(&mut page).context("cannot write the manual page")?;
    Ok(page)
}
