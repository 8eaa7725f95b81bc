//! The short form of `cargo xtask chaos`: a plan of its own seed against two gateways, and every
//! planted bug found in what it left behind.

use std::time::Duration;

use hookgate_tests::chaos::planted::PLANTED;
use hookgate_tests::chaos::{Setting, check, run};

/// Two deaths at least; `HOOKGATE_CHAOS_SEED` names another one.
const SEED: u64 = 7;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_books_balance_after_a_seeded_run() {
    let seed = std::env::var("HOOKGATE_CHAOS_SEED").map_or(SEED, |seed| seed.parse().unwrap());
    println!("seed {seed}; again: cargo xtask chaos --seed {seed} --seconds 8 --gateways 2");
    let setting = Setting {
        seed,
        span: Duration::from_secs(8),
        gateways: 2,
        publishers: 4,
    };
    let history = run(setting, |step| println!("{step}")).await;
    let verdict = check(&history);
    println!("{verdict}");
    assert!(verdict.is_clean(), "seed {seed}\n{verdict}");

    // The same books, spoilt: the checker must see it in a real run, too.
    let mut caught = 0;
    for planted in PLANTED {
        let Some(spoilt) = planted.in_history(&history) else {
            println!("no occasion in this run: {}", planted.name);
            continue;
        };
        let found = check(&spoilt);
        assert!(
            found.violations.contains_key(planted.breaks),
            "seed {seed}: {} was not caught",
            planted.name
        );
        caught += 1;
    }
    assert!(caught >= 8, "{caught} of {} were planted", PLANTED.len());
}
