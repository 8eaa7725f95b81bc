//! Puts data sets at size straight into the tables, where making them is not what is measured.
//!
//! Copies a row that the gateway has written itself, so that what is seeded looks like what it would
//! have become. Knows the tables, and asks the gateway's own code for buckets and seals.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use hookgate::config::MasterKey;
use hookgate::domain::ids::{BucketId, SubscriptionId, TenantId};
use hookgate::store::seal::{Owner, Sealer};
use sqlx::PgPool;

use super::super::gateway::MASTER_KEY;
use super::super::load::{self, USUAL};
use super::rig::Rig;

/// The lanes that seeded events stand on; a fresh gateway has none of them.
const LANE_OF_UNDELIVERED: i16 = 200;
const LANE_OF_PARKED: i16 = 201;
/// `ParkReason::Overflow`.
const NO_ROOM: i16 = 5;
const ROWS_AT_ONCE: i32 = 50_000;

/// An event that the gateway has stored, and its number.
pub(super) struct Template {
    number: u64,
    id: i64,
    targets: Vec<i32>,
}

/// Sends one event and finds its row.
pub(super) async fn template(rig: &Rig) -> anyhow::Result<Template> {
    let sent = load::burst(&rig.request(USUAL), &rig.ledger, 1).await?;
    let (id, targets): (i64, Vec<i32>) =
        sqlx::query_as("select id, targets || keyed from event order by id desc limit 1")
            .fetch_one(&rig.database.pool)
            .await?;
    ensure!(!targets.is_empty(), "nobody wants the event");
    Ok(Template {
        number: sent.numbers.start,
        id,
        targets,
    })
}

/// Where copies go.
#[derive(Clone, Copy, Debug)]
pub(super) enum As {
    /// Above the checkpoint of a lane without an owner: whoever starts next delivers them.
    Undelivered,
    /// A row each that waits, due after so long.
    Parked(Duration),
}

/// So many copies, numbered from `first`. For [`As::Undelivered`] no gateway may run.
pub(super) async fn copies(
    pool: &PgPool,
    template: &Template,
    (first, count): (u64, u64),
    how: As,
) -> anyhow::Result<()> {
    let lane = match how {
        As::Undelivered => LANE_OF_UNDELIVERED,
        As::Parked(_) => LANE_OF_PARKED,
    };
    let count = i32::try_from(count).context("that is too many")?;
    let mut from = 0;
    while from < count {
        let to = (from + ROWS_AT_ONCE).min(count);
        // 4,096 a millisecond, from an hour before the template, which leaves room for millions.
        sqlx::query(
            "insert into event (id, lane, tenant_id, event_type, targets, attributes, payload)
             select (((e.id >> 21) - 3600000 + g / 4096) << 21) | ($2::bigint << 13) | (g % 4096),
               $2, e.tenant_id, e.event_type, e.targets || e.keyed, e.attributes,
               convert_to(replace(convert_from(e.payload, 'UTF8'), $3, '\"n\":' || ($4 + g)), 'UTF8')
             from event e, generate_series($5, $6 - 1) g where e.id = $1",
        )
        .bind(template.id)
        .bind(lane)
        .bind(format!("\"n\":{}", template.number))
        .bind(first.cast_signed())
        .bind(from)
        .bind(to)
        .execute(pool)
        .await?;
        from = to;
    }
    match how {
        As::Undelivered => {
            sqlx::query(
                "update lane set is_settled = false, epoch = epoch + 1,
                   checkpoint = (select min(id) - 1 from event where lane = $1) where lane = $1",
            )
            .bind(lane)
            .execute(pool)
            .await?;
        }
        As::Parked(after) => park(pool, template, after).await?,
    }
    Ok(())
}

async fn park(pool: &PgPool, template: &Template, after: Duration) -> anyhow::Result<()> {
    sqlx::query(
        "update lane set checkpoint = (select max(id) from event where lane = $1) where lane = $1",
    )
    .bind(LANE_OF_PARKED)
    .execute(pool)
    .await?;
    for target in &template.targets {
        let subscription: SubscriptionId = SubscriptionId::new(*target);
        sqlx::query(
            "insert into parked (bucket, event_id, subscription_id, lane, due_at, reason)
             select $1, id, $2, lane, now() + make_interval(secs => $3), $4 from event where lane = $5
             on conflict do nothing",
        )
        .bind(BucketId::of(subscription).get())
        .bind(target)
        .bind(after.as_secs_f64())
        .bind(NO_ROOM)
        .bind(LANE_OF_PARKED)
        .execute(pool)
        .await?;
    }
    Ok(())
}

/// Takes what was parked here away again.
pub(super) async fn clear_parked(pool: &PgPool) -> anyhow::Result<()> {
    for statement in [
        "delete from parked where lane = $1",
        "delete from event where lane = $1",
    ] {
        sqlx::query(statement)
            .bind(LANE_OF_PARKED)
            .execute(pool)
            .await?;
    }
    Ok(())
}

/// Subscriptions of the first tenant that want types of events nobody sends: two in three a type of
/// their own, one in three with a filter on a type that they share.
pub(super) async fn idle_subscriptions(pool: &PgPool, count: u32) -> anyhow::Result<()> {
    let (tenant, first): (i32, i32) = sqlx::query_as(
        "select (select id from tenant where name = 'default'), coalesce(max(id), 0) + 1 from subscription",
    )
    .fetch_one(pool)
    .await?;
    let key = MasterKey::parse(MASTER_KEY).context("the benchmark's own key")?;
    let sealer = Sealer::new(1, &key);
    let last = first + i32::try_from(count).context("that is too many")?;
    let mut from = first;
    // The trigger that keeps a history row for each would be most of the time.
    let mut tx = pool.begin().await?;
    sqlx::raw_sql("alter table subscription disable trigger user")
        .execute(&mut *tx)
        .await?;
    let version: i64 = sqlx::query_scalar("update config_version set v = v + 1 returning v")
        .fetch_one(&mut *tx)
        .await?;
    while from < last {
        let to = (from + ROWS_AT_ONCE).min(last);
        let sealed: Vec<Vec<u8>> = (from..to).map(|id| seal(&sealer, (tenant, id))).collect();
        sqlx::query(
            "insert into subscription (id, tenant_id, state, event_types, filters, target_url, sealed_secret, v)
             overriding system value
             select $1 + o - 1, $2, 'active',
               case when o % 3 = 0 then array['idle.shared'] else array['idle.' || ($1 + o - 1)] end,
               case when o % 3 = 0 then json_build_array(json_build_object('exact',
                 json_build_object('subject', 's' || ($1 + o - 1)))) else '[]' end,
               'https://receiver.example/hooks/' || ($1 + o - 1), s, $4
             from unnest($3::bytea[]) with ordinality as u (s, o)",
        )
        .bind(from)
        .bind(tenant)
        .bind(&sealed)
        .bind(version)
        .execute(&mut *tx)
        .await?;
        from = to;
    }
    sqlx::raw_sql(
        "insert into subscription_history (subscription_id, v, plugins, delivery)
         select id, v, plugins, delivery from subscription on conflict do nothing;
         select setval(pg_get_serial_sequence('subscription', 'id'), (select max(id) from subscription));
         alter table subscription enable trigger user",
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    sqlx::raw_sql("analyze subscription").execute(pool).await?;
    Ok(())
}

fn seal(sealer: &Sealer, (tenant, id): (i32, i32)) -> Vec<u8> {
    let owner = Owner {
        tenant: TenantId::new(tenant),
        subscription: SubscriptionId::new(id),
    };
    let mut nonce = [0; 24];
    nonce[..4].copy_from_slice(&id.to_be_bytes());
    let mut secret = [7; 32];
    secret[..4].copy_from_slice(&id.to_be_bytes());
    sealer.seal(owner, &secret, nonce)
}
