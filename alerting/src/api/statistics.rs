//! How rules and feeds fared, as people concluded.

use axum::{Json, extract::State as Shared};
use serde_json::{Value, json};

use super::{Api, problem::Problem, who::Who};
use crate::store::Fared;

/// `GET /api/v1/statistics/conclusions`: of each rule and feed how many incidents were right, how many harmless, and the share that was
/// right. Exercises are not in it, nor calls for help.
pub(super) async fn conclusions(Shared(api): Shared<Api>, _who: Who) -> Result<Json<Value>, Problem> {
    let fared = api.state.store.fared().await?;
    let of = |source: &str| -> Value {
        let each = fared.iter().filter(|one| one.source == source);
        each.map(|one| {
            json!({ "name": one.name, "true_positive": one.right, "false_positive": one.wrong,
                "precision": precision(one) })
        })
        .collect()
    };
    Ok(Json(json!({ "rules": of("rule"), "feeds": of("feed") })))
}

/// The share that was right, to the thousandth.
fn precision(one: &Fared) -> Option<f64> {
    let all = one.right + one.wrong;
    let thousandths = (one.right * 1_000 + all / 2).checked_div(all)?;
    u32::try_from(thousandths)
        .ok()
        .map(|share| f64::from(share) / 1_000.0)
}
