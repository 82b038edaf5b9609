//! `PgBouncer` in transaction mode. The contracts of the store run over it too: `storage::*::pooled`.

use super::{assert_kept, push_until, registry};
use crate::support::{Server, pgbouncer, postgres};

const POOLER: &str = "[database]\npooler = true\n";

#[tokio::test]
async fn images_are_pushed_and_pulled_through_a_pooler() {
    let url = pgbouncer::shared().address(&postgres::database());
    let (server, alice) = registry(&url, POOLER).await;
    let repositories: Vec<String> = (0..6).map(|number| format!("alice/app{number}")).collect();
    let pushes = repositories.iter().map(|repository| async {
        let (acknowledged, failures) = push_until(&alice, repository, || true).await;
        assert!(failures.is_empty(), "{failures:?}");
        assert_kept(&alice, repository, &acknowledged).await;
    });
    futures_util::future::join_all(pushes).await;
    let listed = server.run(&["repo", "list"]);
    assert!(String::from_utf8_lossy(&listed.stdout).contains("alice/app5"), "commands go through it too");
}

#[tokio::test]
async fn a_pooler_that_the_configuration_does_not_name_is_told_with_the_setting() {
    let url = pgbouncer::shared().address(&postgres::database());
    let refused = Server::absent_on(&url, "").try_run(&["init", "--host", "localhost"], "");
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success() && said.contains("database.pooler = true"), "{said}");
}
