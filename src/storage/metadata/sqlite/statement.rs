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
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{AssertSqlSafe, ConnectOptions, Executor, Row, SqlSafeStr, SqliteConnection};

    use super::super::{
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
            for (number, step) in plan.iter().enumerate() {
                let step: String = step.get("detail");
                // The list in a parameter is gone through once, on the outside: anywhere else, it would be once for each row.
                let bounded = number == 0 && step.starts_with("SCAN j ") || step.contains("SCAN CONSTANT");
                assert!(bounded || !step.starts_with("SCAN"), "{name}: {step}");
                assert!(!step.contains("TEMP B-TREE"), "{name}: {step}");
            }
            assert!(!sql.contains("json_each") || sql.contains("json_each($"), "{name}: call the list j");
        }
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
