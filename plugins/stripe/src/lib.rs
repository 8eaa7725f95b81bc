//! `stripe`: takes Stripe's webhooks, verifies them and makes them events.
//!
//! The source's secret is the endpoint's signing secret, `whsec_…`, as Stripe shows it. An event
//! becomes `stripe.` and Stripe's own type, with Stripe's id, its time, the id of the object
//! it is about as subject, and the body byte for byte as data.
//!
//! It refuses what is not signed with the secret, and what was signed too long before or after
//! it arrived: a copy of a genuine request, sent again later.

mod config;
mod notice;
mod signature;

use hookgate_plugin::{Draft, Failure, Receiver, Reception, Request};

pub use config::Config;
use notice::Notice;
use signature::Signature;

const HEADER: &str = "stripe-signature";

/// The plugin.
#[derive(Debug)]
pub struct Stripe;

impl Receiver for Stripe {
    type Config = Config;

    fn receive(request: Request, config: &Config) -> Result<Reception, Failure> {
        let secret = request.secret()?;
        Ok(match notice(&request, secret, config) {
            Ok(draft) => Reception::Accepted(vec![draft]),
            Err(reason) => Reception::Rejected(reason),
        })
    }
}

/// What the request tells, or why it is not believed.
fn notice(request: &Request, secret: &str, config: &Config) -> Result<Draft, String> {
    if request.method != "POST" {
        return Err(format!(
            "the method is {}, Stripe sends POST",
            request.method
        ));
    }
    let header = request
        .header(HEADER)
        .ok_or("there is no Stripe-Signature header")?;
    let signature = Signature::parse(header)?;
    if !signature.is_genuine(&request.body, secret) {
        return Err("no v1 signature fits the body and the source's secret".into());
    }
    // After the signature, so that only Stripe's own times are talked about.
    let apart_s = signature.time_s().abs_diff(request.received_ms / 1000);
    if apart_s > config.tolerance_s {
        return Err(format!(
            "it was signed {apart_s} s away from its arrival, {} s are allowed",
            config.tolerance_s
        ));
    }
    let notice = Notice::read(&request.body)
        .map_err(|error| format!("it is genuine, but not an event of Stripe: {error}"))?;
    Ok(Draft {
        id: Some(notice.id),
        subject: notice.subject,
        time_ms: notice.time_ms,
        ..Draft::new(
            format!("stripe.{}", notice.event_type),
            request.body.clone(),
        )
    })
}

hookgate_plugin::export!(Stripe as receiver);
