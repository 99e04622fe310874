//! Queue URLs: `http://localhost:4566/ACCOUNT/NAME`, whatever the host.

use haar_types::AccountId;

/// Whose queue a URL names, and which. AWS looks at the path alone; so a queue's URL is good
/// under each name that haar's host has.
pub(crate) fn read(url: &str) -> Option<(AccountId, &str)> {
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?.1,
        None => url.strip_prefix('/')?,
    };
    let path = path.trim_end_matches('/');
    let (before, name) = path.rsplit_once('/')?;
    let account = before.rsplit('/').next()?;
    Some((account.parse().ok()?, name)).filter(|_| !name.is_empty())
}

/// The queue's URL as a caller of `endpoint` sees it.
pub(crate) fn of(endpoint: &str, account: &AccountId, name: &str) -> String {
    format!("{endpoint}/{account}/{name}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_names_the_queue_whatever_the_host() {
        for url in [
            "http://localhost:4566/000000000000/q",
            "https://sqs.us-east-1.amazonaws.com/000000000000/q",
            "http://sqs.eu-west-1.localhost:4566/000000000000/q/",
            "http://localhost:4566/queue/us-east-1/000000000000/q",
            "/000000000000/q",
        ] {
            let (account, name) = read(url).unwrap();
            assert_eq!((account.as_str(), name), ("000000000000", "q"), "{url}");
        }
    }

    #[test]
    fn what_names_no_account_and_queue_is_no_queue_url() {
        for url in
            ["", "q", "http://localhost:4566", "http://localhost:4566/q", "/1/q", "http://h/"]
        {
            assert_eq!(read(url), None, "{url}");
        }
    }
}
