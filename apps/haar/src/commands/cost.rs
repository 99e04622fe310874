//! `haar cost`: what was used, and what AWS would charge for it.

use clap::Args;
use http::Method;

use super::client::EndpointArguments;
use super::{Output, block_on};

/// See [`run`].
#[derive(Args)]
pub(crate) struct CostArguments {
    #[command(flatten)]
    endpoint: EndpointArguments,
    /// The month, such as 2026-11; this month by default.
    #[arg(long)]
    month: Option<String>,
}

/// Prints the bill by account, region and function, with and without the free tier.
pub(super) fn run(arguments: &CostArguments, output: Output) -> Result<(), String> {
    if let Some(month) = arguments.month.as_deref().filter(|month| !is_month(month)) {
        return Err(format!("{month} is no month: write one as 2026-11"));
    }
    let client = arguments.endpoint.client()?;
    let query = arguments.month.as_ref().map(|month| format!("?month={month}"));
    let path = format!("/_haar/cost{}", query.unwrap_or_default());
    let bill = block_on(client.page(Method::GET, &path))?;
    output.show(&bill, || haar_cost::bill_text(&bill));
    Ok(())
}

/// `2026-11`.
fn is_month(text: &str) -> bool {
    let Some((year, month)) = text.split_once('-') else { return false };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let plain = year.len() == 4 && month.len() == 2 && digits(year) && digits(month);
    plain && month.parse::<u8>().is_ok_and(|month| (1..=12).contains(&month))
}

#[cfg(test)]
mod tests {
    use super::is_month;

    #[test]
    fn a_month_is_a_year_and_two_digits() {
        assert!(is_month("2026-11") && is_month("2026-01"));
        assert!(
            ["x", "2026", "2026-13", "2026-1", "26-11", "2026-+1"].iter().all(|t| !is_month(t))
        );
    }
}
