//! A node that stands still says so: it alive, its database in reach, and nothing going through.

use std::time::{Duration, Instant};

use hookgate_tests::{Gateway, event, figures, wait};

const SEEN_WITHIN: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_database_that_takes_no_beats_is_seen() {
    let gateway = Gateway::fresh().await;
    let pool = gateway.database().pool().await;
    let ready = gateway.api().get("/readyz?verbose").await.expect(200);
    for part in ["database", "lane", "storing", "delivering", "running"] {
        assert_eq!(ready[part], true, "{ready}");
    }

    // Connections are taken and questions answered; only this node's beat is not.
    let begun = Instant::now();
    let gone = sqlx::query("alter table node rename to node_elsewhere")
        .execute(&pool)
        .await;
    gone.unwrap();
    let told = wait::until("it says that it is not ready", || async {
        let answer = gateway.api().get("/readyz?verbose").await;
        (answer.status == 503).then(|| answer.json())
    })
    .await;
    let seen = begun.elapsed();
    assert_eq!(told["database"], false, "{told}");
    assert!(seen < SEEN_WITHIN, "{seen:?}");
    assert_eq!(gateway.api().get("/livez").await.status, 200);
    assert!(gateway.log().contains("no beat"), "{}", gateway.log());

    let back = sqlx::query("alter table node_elsewhere rename to node")
        .execute(&pool)
        .await;
    back.unwrap();
    wait::until("it is ready again", || async {
        let answer = gateway.api().get("/readyz").await;
        (answer.status == 200).then_some(())
    })
    .await;
    gateway.send(event("a.b")).await;
    let metrics = gateway.api().get("/metrics").await.text();
    assert!(
        metrics.contains("\nhookgate_oldest_due_age_seconds "),
        "{metrics}"
    );
    figures::record(
        "O7",
        format!(
            "beats that fail are seen by /readyz after {:.1} s",
            seen.as_secs_f64()
        ),
    );
}
