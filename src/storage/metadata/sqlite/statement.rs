//! SQL as constants, each listed so that a test prepares every one of them against the schema.

/// Defines statements as constants, and `ALL` of them for the test.
macro_rules! statements {
    ($($(#[$doc:meta])* $visibility:vis $name:ident = $sql:literal;)+) => {
        $($(#[$doc])* $visibility const $name: &str = $sql;)+

        /// Every statement of this file.
        #[cfg(test)]
        pub(super) const ALL: &[(&str, &str)] = &[$((stringify!($name), $name)),+];
    };
}

pub(super) use statements;

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row, SqlSafeStr, SqliteConnection};

    use crate::storage::metadata::Metadata;
    use crate::storage::metadata::sqlite::{
        SqliteMetadata, acme, grants, keys, links, login_failures, manifests, policy, put, referrers, refresh_tokens,
        repositories, tags, uploads, users,
    };

    /// What may read a whole table or sort: lists that an administrator asks for, of what policy holds in memory anyway;
    /// and the challenges of an order under way, a handful.
    const MAY_SCAN: &[&str] = &["USERS", "GRANTS", "KEYS", "NEWEST_KEY", "STOP_SIGNING", "PENDING", "FORGET_EXPIRED"];

    fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
        [
            acme::ALL,
            grants::ALL,
            keys::ALL,
            links::ALL,
            login_failures::ALL,
            manifests::ALL,
            policy::ALL,
            put::ALL,
            referrers::ALL,
            refresh_tokens::ALL,
            repositories::ALL,
            tags::ALL,
            uploads::ALL,
            users::ALL,
        ]
        .into_iter()
        .flatten()
        .copied()
    }

    async fn connect(folder: &tempfile::TempDir) -> SqliteConnection {
        let path = folder.path().join("metadata.db");
        SqliteMetadata::open(&path).await.expect("opens").close().await.expect("closes");
        SqliteConnectOptions::new().filename(&path).connect().await.expect("connects")
    }

    #[tokio::test]
    async fn every_statement_fits_the_schema() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut connection = connect(&folder).await;
        for (name, sql) in all() {
            let prepared = connection.prepare(SqlSafeStr::into_sql_str(sql)).await;
            assert!(prepared.is_ok(), "{name}: {:?}", prepared.err());
        }
    }

    #[tokio::test]
    async fn no_statement_of_a_request_reads_a_whole_table() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut connection = connect(&folder).await;
        for (name, sql) in all().filter(|(name, _)| !MAY_SCAN.contains(name)) {
            let explain = AssertSqlSafe(format!("EXPLAIN QUERY PLAN {sql}"));
            let plan = sqlx::query(explain).fetch_all(&mut connection).await.expect("explains");
            // The list in a parameter is gone through once: on the outside, or where a set is made of it. Anywhere else, it would be
            // once for each row.
            let mut is_once = true;
            for step in plan {
                let step: String = step.get("detail");
                let bounded = is_once && step.starts_with("SCAN j ") || step.contains("SCAN CONSTANT");
                assert!(bounded || !step.starts_with("SCAN"), "{name}: {step}");
                assert!(!step.contains("TEMP B-TREE"), "{name}: {step}");
                is_once = step.starts_with("LIST SUBQUERY");
            }
        }
    }

    /// How many steps the database's machine takes for a mount of `digest` that may look into repositories that begin with `prefix`.
    async fn steps_of_a_mount(connection: &mut SqliteConnection, digest: &str, prefix: &str) -> usize {
        let steps = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&steps);
        let count = move || counted.fetch_add(1, Ordering::Relaxed) < usize::MAX;
        connection.lock_handle().await.expect("locked").set_progress_handler(1, count);
        let query = sqlx::query(links::REPOSITORY).bind(digest).bind(prefix).bind(format!("{prefix}\u{7f}"));
        assert!(query.fetch_optional(connection).await.expect("asked").is_none());
        steps.load(Ordering::Relaxed)
    }

    #[tokio::test]
    async fn a_mount_takes_as_long_for_a_blob_of_others_as_for_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut connection = connect(&folder).await;
        sqlx::raw_sql(FILL).execute(&mut connection).await.expect("filled");
        let foreign = steps_of_a_mount(&mut connection, "7000", "mine/").await;
        let absent = steps_of_a_mount(&mut connection, "absent", "mine/").await;
        assert!(foreign.abs_diff(absent) <= 16, "{foreign} steps, {absent} for one that does not exist");
    }

    const ENTRIES: usize = 10_000;

    /// A repository called 1 with as many blobs, and as many manifests with the subject 1, as the lists below have entries.
    const FILL: &str = "INSERT INTO repositories (id, name, created_at) VALUES (1, '1', 0);
        WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 10000)
            INSERT INTO blobs (id, digest, size, key, lease_until, created_at) SELECT n, n, 1, n, 0, 0 FROM n;
        INSERT INTO repository_blobs SELECT 1, id, '1' FROM blobs;
        INSERT INTO manifests (repository_id, digest, media_type, size, subject, created_at, content)
            SELECT 1, id, 'a/b', 0, '1', 0, x'' FROM blobs";

    /// Counted in steps of the database's machine, which are the same on every day.
    #[tokio::test]
    async fn a_long_list_costs_in_proportion_to_its_length() {
        const EACH: usize = 300;
        let folder = tempfile::tempdir().expect("a folder");
        let mut connection = connect(&folder).await;
        sqlx::raw_sql(FILL).execute(&mut connection).await.expect("filled");
        let list = serde_json::to_string(&(1..=ENTRIES).map(|n| n.to_string()).collect::<Vec<_>>()).expect("JSON");
        let with_lists: Vec<_> = all().filter(|(_, sql)| sql.contains("json_each(")).collect();
        assert!(with_lists.len() >= 6, "{with_lists:?}");
        for (name, sql) in with_lists {
            let mut thousands = 0;
            let goes_on = move || {
                thousands += 1;
                thousands * 1000 < ENTRIES * EACH
            };
            connection.lock_handle().await.expect("locked").set_progress_handler(1000, goes_on);
            let of_list = sql.split("json_each($").nth(1).and_then(|rest| rest.split(')').next()).expect("a list");
            let parameters = (1..10).take_while(|number| sql.contains(&format!("${number}")));
            let query = parameters.fold(sqlx::query(sql), |query, number| {
                if number.to_string() == of_list { query.bind(list.clone()) } else { query.bind(1) }
            });
            let done = query.fetch_all(&mut connection).await;
            assert!(done.is_ok(), "{name} takes more than {EACH} steps for each entry: {:?}", done.err());
        }
    }
}
