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
        SqliteMetadata, acme, grants, keys, links, login_failures, manifests, policy, put, refresh_tokens,
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
            for step in plan {
                let step: String = step.get("detail");
                // A scan of the list in a parameter, or in the order of an index that a LIMIT ends.
                let bounded = step.starts_with("SCAN j ") || step.contains("SCAN CONSTANT");
                assert!(bounded || !step.starts_with("SCAN"), "{name}: {step}");
                assert!(!step.contains("TEMP B-TREE"), "{name}: {step}");
            }
        }
    }
}
