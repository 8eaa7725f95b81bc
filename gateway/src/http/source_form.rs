//! Reads a source as it is asked for; every flaw is told at once, with its cure.

use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::check::Check;
use super::problem::Problem;
use crate::domain::source::{
    Challenges, Place, SourceRules, SourceSecret, TypeFrom, Verifier, check_name,
};
use crate::domain::tenant::TenantName;
use crate::ingest::inbound::verify::check_secret;
use crate::store::sources::{GivenSecrets, SourceWish};

const MAX_LISTED: usize = 100;
const MAX_RULES_BYTES: usize = 16 * 1024;

/// A source.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SourceForm {
    /// 1 to 64 characters without spaces; the `source` of its events.
    #[schema(value_type = String, example = "shop")]
    name: Option<Value>,
    /// `default` where it is left out.
    #[schema(value_type = Option<String>)]
    tenant: Option<Value>,
    #[schema(value_type = Option<String>)]
    description: Option<Value>,
    /// `{"kind", "secret"?, …}`: `standard-webhooks`, `github`, `stripe`, `slack`, `shopify`, `hmac` or
    /// `plugin`, and what there is to choose about it.
    #[schema(value_type = Object, example = json!({"kind": "github"}))]
    verify: Option<Value>,
    /// `{"header" | "pointer" | "text", "prefix"?, "otherwise"?}`: what the type of an event is made
    /// from. As is usual for the kind where it is left out.
    #[schema(value_type = Option<Object>, example = json!({"pointer": "/type", "prefix": "shop."}))]
    type_from: Option<Value>,
    /// Where the provider's delivery id is, by which repetitions are known.
    #[schema(value_type = Option<Place>)]
    id_from: Option<Value>,
    #[schema(value_type = Option<Challenges>)]
    challenges: Option<Value>,
    /// What Meta has to show with its challenge.
    #[schema(value_type = Option<String>)]
    verify_token: Option<Value>,
}

/// A form that breaks no rule.
#[derive(Debug)]
pub(super) struct ValidSource {
    pub(super) tenant: Option<TenantName>,
    pub(super) wish: SourceWish,
    pub(super) given: GivenSecrets,
}

impl SourceForm {
    /// # Errors
    /// 422 with every member that breaks a rule.
    pub(super) fn read(body: Value) -> Result<ValidSource, Problem> {
        let mut check = Check::default();
        let form: Self = check.object("", body);
        if !check.errors.is_empty() {
            return Err(Problem::fields(check.errors));
        }
        let name: String = check.value("/name", form.name);
        if let Err(rule) = check_name(&name) {
            check.error("/name", rule);
        }
        let tenant: Option<String> = check.value("/tenant", form.tenant);
        let tenant = tenant.and_then(|name| check.parsed("/tenant", name.parse()));
        let description: String = check.value("/description", form.description);
        check.text("/description", &description);
        let (verify, secret) = verifier(&mut check, form.verify);
        let type_from: Option<TypeFrom> = check.value("/type_from", form.type_from);
        let id_from: Option<Place> = check.value("/id_from", form.id_from);
        if let Some(Err(rule)) = id_from.as_ref().map(Place::check) {
            check.error("/id_from", rule);
        }
        let challenges: Challenges = check.value("/challenges", form.challenges);
        check_challenges(&mut check, &challenges);
        let verify_token = secret_at(&mut check, "/verify_token", form.verify_token);
        let verify = match verify {
            Some(verify) if check.errors.is_empty() => verify,
            _ => return Err(Problem::fields(check.errors)),
        };
        Ok(ValidSource {
            tenant,
            wish: SourceWish {
                name,
                description,
                rules: SourceRules {
                    verify,
                    type_from,
                    id_from,
                    challenges,
                },
            },
            given: GivenSecrets {
                secret,
                verify_token,
            },
        })
    }
}

/// The rules and, apart from them, the secret.
fn verifier(check: &mut Check, given: Option<Value>) -> (Option<Verifier>, Option<SourceSecret>) {
    const KINDS: &str =
        "name a kind: standard-webhooks, github, stripe, slack, shopify, hmac or plugin";
    let Some(Value::Object(mut members)) = given else {
        check.error("/verify", format!("must be a JSON object; {KINDS}"));
        return (None, None);
    };
    let secret = secret_at(check, "/verify/secret", members.remove("secret"));
    if !members.contains_key("kind") {
        check.error("/verify/kind", format!("is missing; {KINDS}"));
        return (None, None);
    }
    let value = Value::Object(members);
    check.storable("/verify", &value, MAX_RULES_BYTES);
    let verifier: Result<Verifier, _> = serde_json::from_value(value);
    let verifier = check.parsed("/verify", verifier);
    if let Some(Err((member, rule))) = verifier.as_ref().map(Verifier::check) {
        check.error(&format!("/verify/{member}"), rule);
    }
    if let (Some(verifier), Some(secret)) = (&verifier, &secret)
        && let Err(refusal) = check_secret(verifier, secret)
    {
        check.error("/verify/secret", refusal);
    }
    (verifier, secret)
}

fn secret_at(check: &mut Check, pointer: &str, given: Option<Value>) -> Option<SourceSecret> {
    let text: Option<String> = check.value(pointer, given);
    check.parsed(pointer, SourceSecret::parse(&text?))
}

fn check_challenges(check: &mut Check, challenges: &Challenges) {
    let lists = [
        (
            "/challenges/cloudevents/origins",
            challenges.cloudevents.as_ref().map(|one| &one.origins),
        ),
        (
            "/challenges/websub/topics",
            challenges.websub.as_ref().map(|one| &one.topics),
        ),
    ];
    for (pointer, list) in lists {
        let Some(list) = list else { continue };
        check.at_most(pointer, (list.len(), MAX_LISTED));
        if list.is_empty() {
            check.error(pointer, "must name at least one");
        }
        for text in list {
            check.text(pointer, text);
        }
    }
}
