//! Durable writes through the whole of haar beside the front door's own rate and its store's.

use std::time::Duration;

use http::Method;
use serde_json::json;

use crate::Bench;
use crate::client::{Ask, at_once};
use crate::cloud::{Cloud, data_dir};
use crate::echo::Echo;
use crate::figures::commits::store_rate;
use crate::functions::{Kind, Maker};

pub(super) async fn measure(bench: &mut Bench) -> Result<(), String> {
    let length = Duration::from_secs(if bench.quick { 1 } else { 4 });
    let (_folder, data) = data_dir(&bench.haar)?;
    let cloud = Cloud::start(&bench.haar, Some(&data), &[]).await?;
    let mut maker = Maker::new(&cloud.authority).await?;
    let function = maker.make(Kind::Python, &[]).await?;
    let tag = |number: usize| {
        let path = format!(
            "/2017-03-31/tags/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3A{function}",
        );
        let document = json!({ "Tags": { format!("tag{number}"): "COUNT" } });
        Ask::new(Method::POST, path, document.to_string()).at_service("lambda")
    };
    let echo = Echo::start().await?;
    for writers in [1, 16, 64] {
        let store = store_rate(bench, writers, length)?;
        let ours = at_once(&cloud.authority, writers, length, |number| tag(number % 40)).await?;
        let door = at_once(&echo.authority, writers, length, |number| tag(number % 40)).await?;
        // one request's time through the door and one commit's, one after the other
        let limit = 1.0 / (1.0 / door + 1.0 / store);
        bench.report.row(
            &format!("TagResource, durable, {writers} at once"),
            format!("{ours:.0}/s"),
            format!("{limit:.0}/s: {door:.0}/s echo, then {store:.0} rows/s"),
            format!("{:.2} ×", ours / limit),
            "",
        );
    }
    drop(echo);
    cloud.stop().await
}
