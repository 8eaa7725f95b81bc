//! What the size of a payload costs: 1, 4, 16, 64 and 256 KB, end to end.

use super::super::gateway::Plugins;
use super::super::load::{Shape, USUAL};
use super::book::Book;
use super::rig::{Pace, Rig};

const KIBIBYTES: [usize; 5] = [1, 4, 16, 64, 256];

pub(super) async fn run(book: &mut Book) -> anyhow::Result<()> {
    let rig = Rig::start(book).await?;
    for kibibytes in KIBIBYTES {
        let case = format!("{kibibytes} KB");
        super::tell(&case);
        let data_bytes = kibibytes * 1024;
        let floor = rig.floor(data_bytes, book.setting.window).await?;
        let ids = rig.subscribe(1, Plugins::None).await?;
        rig.warm_up().await?;
        let shape = Shape {
            data_bytes,
            ..USUAL
        };
        let measured = rig
            .measure((shape, Pace::Full), book.setting.window)
            .await?;
        book.end_to_end(&case, &measured, &floor);
        let bytes = measured.account.arrived as f64 * data_bytes as f64;
        let rate = bytes / measured.span.as_secs_f64() / 1e6;
        book.figure(&case, "data delivered", (rate, "MB/s"));
        rig.unsubscribe(&ids).await?;
    }
    rig.stop().await
}
