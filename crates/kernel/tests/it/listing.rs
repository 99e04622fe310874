//! Pages, as a model's paginator describes them.

use std::sync::Arc;

use haar_kernel::{Auth, NoIdentities};

use crate::toy::{Cloud, ListIn};

async fn cloud() -> Cloud {
    let cloud = Cloud::ephemeral(Auth::Permissive, Arc::new(NoIdentities));
    for kind in ["diesel", "steam"] {
        for _ in 0..4 {
            cloud.start("us-east-1", kind, None).await.unwrap();
        }
    }
    cloud
}

fn steam(max_results: Option<i32>, next_token: Option<String>) -> ListIn {
    ListIn { kind: Some("steam".to_owned()), max_results, next_token }
}

#[tokio::test(start_paused = true)]
async fn every_item_is_on_one_page() {
    let cloud = cloud().await;
    let (mut seen, mut token) = (Vec::new(), None);
    for length in [2, 2] {
        let page = cloud.list(steam(None, token)).await.unwrap();
        assert_eq!(page.names.len(), length);
        seen.extend(page.names);
        token = page.next_token;
    }
    assert_eq!(token, None);
    seen.dedup();
    assert_eq!(seen.len(), 4);
    assert!(seen.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn the_caller_bounds_a_page_and_the_room_bounds_the_caller() {
    let cloud = cloud().await;
    let page = cloud.list(steam(Some(1), None)).await.unwrap();
    assert_eq!(page.names.len(), 1);
    let rest = cloud.list(steam(Some(100), page.next_token)).await.unwrap();
    assert_eq!((rest.names.len(), rest.next_token), (3, None));
}

#[tokio::test(start_paused = true)]
async fn a_token_of_another_listing_is_refused() {
    let cloud = cloud().await;
    let token = cloud.list(steam(None, None)).await.unwrap().next_token;
    assert!(token.is_some());
    let other = ListIn { next_token: token, ..ListIn::default() };
    assert_eq!(cloud.list(other).await.unwrap_err().name(), "InvalidParameterException");
    let junk = steam(None, Some("junk".to_owned()));
    assert_eq!(cloud.list(junk).await.unwrap_err().name(), "InvalidParameterException");
}
