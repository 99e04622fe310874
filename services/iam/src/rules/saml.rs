//! Metadata of SAML 2.0 identity providers.

use haar_types::Timestamp;
use quick_xml::Reader;
use quick_xml::events::Event;

/// What is known of a provider by its metadata.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Metadata {
    pub(crate) entity_id: String,
    pub(crate) valid_until: Option<Timestamp>,
}

/// Reads metadata: one entity that signs people in (`IDPSSODescriptor`), with a certificate and a
/// place to go; `None` when it is not that.
pub(crate) fn read(text: &str) -> Option<Metadata> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_end_names = true;
    let (mut found, mut parts, mut depth) = (None, [false; 3], 0_usize);
    loop {
        let event = reader.read_event().ok()?;
        let start = match &event {
            Event::Start(start) => {
                depth += 1;
                start
            }
            Event::Empty(start) => start,
            Event::End(_) => {
                depth = depth.checked_sub(1)?;
                continue;
            }
            // entities of its own are no part of metadata
            Event::DocType(_) => return None,
            Event::Eof => break,
            _ => continue,
        };
        match start.local_name().as_ref() {
            "EntityDescriptor" if found.is_none() => found = Some(entity(start)?),
            "IDPSSODescriptor" => parts[0] = true,
            "X509Certificate" => parts[1] = true,
            "SingleSignOnService" => parts[2] = true,
            _ => {}
        }
    }
    found.filter(|_| depth == 0 && parts == [true; 3])
}

fn entity(start: &quick_xml::events::BytesStart<'_>) -> Option<Metadata> {
    let attribute = |name: &str| {
        let attribute = start.try_get_attribute(name).ok()??;
        Some(attribute.value.into_owned())
    };
    let entity_id = attribute("entityID").filter(|id| !id.is_empty())?;
    let valid_until = match attribute("validUntil") {
        Some(text) => Some(Timestamp(text.parse::<jiff::Timestamp>().ok()?.as_millisecond())),
        None => None,
    };
    Some(Metadata { entity_id, valid_until })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"<?xml version="1.0"?>
<md:EntityDescriptor xmlns:md="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.com" validUntil="2030-01-01T00:00:00Z">
 <md:IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  <md:KeyDescriptor use="signing"><ds:KeyInfo xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:X509Data><ds:X509Certificate>AAAA</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>
  <md:SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.com/sso"/>
 </md:IDPSSODescriptor>
</md:EntityDescriptor>"#;

    #[test]
    fn metadata_names_its_entity_and_its_end() {
        let found = read(GOOD).unwrap();
        assert_eq!(found.entity_id, "https://idp.example.com");
        assert_eq!(found.valid_until, Some(Timestamp(1_893_456_000_000)));
        assert_eq!(
            read(&GOOD.replace(" validUntil=\"2030-01-01T00:00:00Z\"", "")).unwrap().valid_until,
            None
        );
    }

    #[test]
    fn what_is_no_metadata_is_refused() {
        for (from, to) in [
            ("entityID", "id"),
            ("IDPSSODescriptor", "SPSSODescriptor"),
            ("X509Certificate", "Nothing"),
            ("SingleSignOnService", "Nothing"),
            ("</md:EntityDescriptor>", ""),
            ("2030-01-01T00:00:00Z", "soon"),
            ("<md:EntityDescriptor ", "<!DOCTYPE a [<!ENTITY b \"c\">]><md:EntityDescriptor "),
        ] {
            assert_eq!(read(&GOOD.replace(from, to)), None, "{from}");
        }
        assert_eq!(read("hello"), None);
    }
}
