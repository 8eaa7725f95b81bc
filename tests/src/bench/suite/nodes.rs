//! One, two and three nodes on one database.
//!
//! All of them share the cores of this machine, so what is compared is what a delivery costs, and not
//! how many there are in a second.

use super::super::gateway::{Gateway, Plugins};
use super::super::load::USUAL;
use super::book::Book;
use super::rig::{Measured, Pace, Rig};

const MAX_NODES: usize = 3;

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let mut rig = Rig::start(book).await?;
    let floor = rig.usual_floor(book.setting.window).await?;
    rig.subscribe(1, Plugins::None).await?;
    let mut others = Vec::new();
    let mut costs = Vec::new();
    for nodes in 1..=MAX_NODES {
        if nodes > 1 {
            let another = rig.gateway.another_node().await?;
            rig.processes.gateways.push(another.pid()?);
            others.push(another);
        }
        let case = format!("{nodes} nodes");
        super::tell(&case);
        let mut addresses = vec![rig.gateway.address()];
        addresses.extend(others.iter().map(Gateway::address));
        rig.measure_at(&addresses, (USUAL, Pace::Full), book.setting.window / 4)
            .await?;
        let measured = rig
            .measure_at(&addresses, (USUAL, Pace::Full), book.setting.window)
            .await?;
        book.end_to_end(&case, &measured, &floor);
        let waits = rig.ledger.first_waits(measured.numbers.clone());
        book.quantiles((&case, "send to arrival, under full load"), &waits, &[]);
        costs.push(cost(&measured));
    }
    if let (Some(first), Some(last)) = (costs.first(), costs.last()) {
        book.figure(
            "3 nodes beside 1",
            "gateway and Postgres CPU per delivery",
            (last / first, "x"),
        );
    }
    for other in others {
        other.stop().await?;
    }
    rig.stop().await
}

fn cost(measured: &Measured) -> f64 {
    let used = measured.used.gateway + measured.used.postgres;
    used.as_secs_f64() / measured.account.arrived.max(1) as f64
}
