//! The command line: nouns first, then verbs; one file per noun.
//!
//! A command parses its arguments, calls a use case and prints the result on stdout. An error is one line on stderr: what, where, what to do.
//! Exit codes: 0 done, 1 refused or failed, 2 wrong usage.

mod backup;
mod banner;
mod ca;
mod ca_rotate;
mod ca_seal;
mod cert;
mod cert_request;
mod check;
mod cluster;
mod config;
mod context;
mod doctor;
mod gc;
mod grant;
mod guide;
mod health;
mod immutable;
mod import;
mod import_htpasswd;
mod import_registry;
mod init;
mod man;
mod migrate;
mod migrate_storage;
mod output;
mod passphrase;
mod password;
mod progress;
mod quota;
mod repo;
mod repo_past;
mod retention;
mod retention_preview;
mod secret_input;
mod serve;
mod time;
mod trash;
mod trust;
mod untrust;
mod usage;
mod user;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use context::{Context, Global};
use output::Output;

/// A self-hosted registry for container images.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, about, disable_help_subcommand = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the registry until SIGTERM or SIGINT, then drain connections
    Serve(serve::Args),
    /// Create the CA, the certificate, the keys and the administrator, without serving
    Init(init::Args),
    /// Check and show the configuration, or print a sample
    #[command(subcommand)]
    Config(config::Verb),
    /// Manage the certificate authority that clients trust
    #[command(subcommand)]
    Ca(ca::Verb),
    /// Manage the certificate that the server presents
    #[command(subcommand)]
    Cert(cert::Verb),
    /// Manage users
    #[command(subcommand)]
    User(user::Verb),
    /// Manage access grants
    #[command(subcommand)]
    Grant(grant::Verb),
    /// Manage repositories
    #[command(subcommand)]
    Repo(repo::Verb),
    /// Manage which tags clients may not move or delete
    #[command(subcommand)]
    Immutable(immutable::Verb),
    /// Manage which tags are kept, and remove the others
    #[command(subcommand)]
    Retention(retention::Verb),
    /// List, restore and remove what was deleted
    #[command(subcommand)]
    Trash(trash::Verb),
    /// Manage how much repositories may hold
    #[command(subcommand)]
    Quota(quota::Verb),
    /// Show how much is stored, by top-level namespace
    Usage(usage::Args),
    /// Show the nodes that serve this registry
    #[command(subcommand)]
    Cluster(cluster::Verb),
    /// Show, upgrade and finalize the schema of the database
    #[command(subcommand)]
    Migrate(migrate::Verb),
    /// Import repositories and users from another registry
    #[command(subcommand)]
    Import(import::Verb),
    // These need more than one line of help, which is at their arguments.
    Backup(backup::BackupArgs),
    Restore(backup::RestoreArgs),
    Check(check::Args),
    Gc(gc::Args),
    MigrateStorage(migrate_storage::Args),
    Trust(trust::Args),
    Untrust(untrust::Args),
    Doctor(doctor::Args),
    /// Print the operator's guide: its topics, or one of them
    Guide(guide::Args),
    /// Check whether the server of this data directory is ready; for supervisors and containers
    Health(health::Args),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write a page per command to a directory
    Man {
        /// The directory to write the pages to
        dir: Option<std::path::PathBuf>,
    },
    /// Print the version
    Version,
}

impl Command {
    /// Whether the command uses the configuration, and does not report its warnings in another way.
    fn is_configured(&self) -> bool {
        !matches!(
            self,
            Self::Serve(_)
                | Self::Doctor(_)
                | Self::Trust(_)
                | Self::Untrust(_)
                | Self::Guide(_)
                | Self::Completions { .. }
                | Self::Man { .. }
                | Self::Version
        )
    }
}

/// Runs the program with the process's own arguments.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let output = Output::new(cli.global.json);
    match dispatch(cli, &output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli, output: &Output) -> anyhow::Result<()> {
    let context = Context::new(cli.global);
    if cli.command.is_configured() {
        context.warn();
    }
    match cli.command {
        Command::Serve(args) => serve::run(&context, args),
        Command::Init(args) => init::run(&context, args, output),
        Command::Config(verb) => config::run(&context, verb, output),
        Command::Ca(verb) => ca::run(&context, verb, output),
        Command::Cert(verb) => cert::run(&context, &verb, output),
        Command::User(verb) => user::run(&context, verb, output),
        Command::Grant(verb) => grant::run(&context, verb, output),
        Command::Repo(verb) => repo::run(&context, verb, output),
        Command::Immutable(verb) => immutable::run(&context, verb, output),
        Command::Retention(verb) => retention::run(&context, verb, output),
        Command::Trash(verb) => trash::run(&context, &verb, output),
        Command::Quota(verb) => quota::run(&context, verb, output),
        Command::Usage(args) => usage::run(&context, &args, output),
        Command::Cluster(verb) => cluster::run(&context, &verb, output),
        Command::Migrate(verb) => migrate::run(&context, verb, output),
        Command::Backup(args) => backup::run(&context, args, output),
        Command::Restore(args) => backup::run_restore(&context, args, output),
        Command::Check(args) => check::run(&context, &args, output),
        Command::Import(verb) => import::run(&context, &verb, output),
        Command::Gc(args) => gc::run(&context, &args, output),
        Command::MigrateStorage(args) => migrate_storage::run(&context, &args, output),
        Command::Trust(args) => trust::run(args, output),
        Command::Untrust(args) => untrust::run(args, output),
        Command::Doctor(args) => doctor::run(&context, args, output),
        Command::Guide(args) => guide::run(&args, output),
        Command::Health(args) => health::run(&context, &args),
        Command::Completions { shell } => completions(shell, output),
        Command::Man { dir } => man::run(&Cli::command(), dir.as_deref(), output),
        Command::Version => {
            let version = env!("CARGO_PKG_VERSION");
            output.done(&format!("portcullis {version}"), &serde_json::json!({ "version": version }))
        }
    }
}

fn completions(shell: clap_complete::Shell, output: &Output) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "portcullis", &mut script);
    output.raw(&script)
}
