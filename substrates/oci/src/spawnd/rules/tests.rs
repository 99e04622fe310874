use super::*;

fn address(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 1, 0, last)
}

fn any(groups: &[&str]) -> FilterRule {
    let groups = groups.iter().map(|&name| name.to_owned()).collect();
    FilterRule { protocol: RuleProtocol::Any, peers: Vec::new(), groups }
}

/// Members of a group, who reach each other.
fn member() -> Filter {
    Filter { groups: vec!["own".to_owned()], ingress: vec![any(&["own"])], egress: Vec::new() }
}

fn web() -> Filter {
    let peers = vec![Peer { address: address(0), prefix: 16 }];
    let rule =
        FilterRule { protocol: RuleProtocol::Tcp(80, 80), peers, groups: vec!["own".to_owned()] };
    Filter { groups: Vec::new(), ingress: vec![rule], egress: Vec::new() }
}

#[test]
fn one_more_member_of_a_group_is_one_more_element() {
    let mut book = Book::default();
    let traffic = Traffic { protocol: RuleProtocol::Any, peers: Vec::new(), groups: vec![1] };
    let rules = Rules { ingress: vec![traffic], egress: Vec::new() };
    assert_eq!(
        book.place(address(4), Some(&member())),
        [
            Change::MakeGroup(1),
            Change::MakeChains(2, rules),
            Change::Enter(address(4), 2),
            Change::JoinGroup(1, address(4)),
        ]
    );
    let more = [Change::Enter(address(5), 2), Change::JoinGroup(1, address(5))];
    assert_eq!(book.place(address(5), Some(&member())), more);
    assert_eq!(book.place(address(5), Some(&member())), []);
    let gone = [Change::Leave(address(4)), Change::LeaveGroup(1, address(4))];
    assert_eq!(book.place(address(4), None), gone);
    assert_eq!(book.place(address(4), None), []);
}

#[test]
fn another_filter_leaves_the_chains_of_the_one_before() {
    let mut book = Book::default();
    book.place(address(4), Some(&member()));
    let changes = book.place(address(4), Some(&web()));
    assert!(matches!(changes[0], Change::MakeChains(3, _)), "{changes:?}");
    let rest = [
        Change::Leave(address(4)),
        Change::Enter(address(4), 3),
        Change::LeaveGroup(1, address(4)),
    ];
    assert_eq!(changes[1..], rest);
    // both are kept: one is in use, the other may be again
    assert_eq!(book.tidy(), []);
    assert_eq!(book.place(address(9), Some(&member()))[0], Change::Enter(address(9), 2));
}

#[test]
fn chains_that_nobody_uses_go_when_there_are_many_and_groups_with_them() {
    let mut book = Book::default();
    for port in 0..=SPARE_MAX as u16 {
        let mut filter = web();
        filter.ingress[0].protocol = RuleProtocol::Tcp(port, port);
        filter.ingress[0].groups = vec![format!("of-{port}")];
        book.place(address(4), Some(&filter));
    }
    book.place(address(4), None);
    // of each pair the group was made first
    assert_eq!(book.tidy(), [Change::EndChains(2), Change::EndGroup(1)]);
    assert_eq!(book.tidy(), []);
}
