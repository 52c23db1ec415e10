//! What mail programs ask this box: autoconfig, autodiscover, Apple's profile, the authority.

use super::client::{Browser, House};
use super::me::add;

const THUNDERBIRD: &str = "/mail/config-v1.1.xml?emailaddress=";
const WELL_KNOWN: &str = "/.well-known/autoconfig/mail/config-v1.1.xml";

/// A house whose daemon has all ports.
async fn house() -> House {
    House::furnished().await
}

fn at(host: &str, browser: &Browser) -> Browser {
    let mut elsewhere = browser.clone();
    host.clone_into(&mut elsewhere.host);
    elsewhere
}

/// The text of the first element of that name after `from`.
fn element<'t>(text: &'t str, from: &str, name: &str) -> &'t str {
    let (_, rest) = text
        .split_once(from)
        .unwrap_or_else(|| panic!("{from} in {text}"));
    let (_, rest) = rest.split_once(&format!("<{name}>")).unwrap();
    rest.split("</").next().unwrap()
}

#[tokio::test]
async fn autoconfig_names_the_real_ports() {
    let house = house().await;
    let browser = house.browser();
    let mut host = at("autoconfig.heimpost.local", &browser);
    let page = host
        .get(&format!("{THUNDERBIRD}bob@heimpost.local"))
        .await
        .expect(200);
    assert_eq!(page.header("content-type"), "text/xml; charset=utf-8");
    let text = page.text();
    assert!(text.starts_with("<?xml version=\"1.0\""), "{text}");
    assert!(text.contains("<clientConfig version=\"1.1\"><emailProvider id=\"heimpost.local\"><domain>heimpost.local</domain>"), "{text}");
    let imap = "<incomingServer type=\"imap\">";
    let port = house.settings.listen.imaps[0].port().to_string();
    assert_eq!(element(&text, imap, "port"), port);
    assert_eq!(element(&text, imap, "username"), "%EMAILADDRESS%");
    assert_eq!(element(&text, imap, "authentication"), "password-cleartext");
    assert!(matches!(
        element(&text, imap, "socketType"),
        "SSL" | "STARTTLS"
    ));
    assert!(text.contains("<outgoingServer type=\"smtp\">"), "{text}");
    house.stop().await;
}

#[tokio::test]
async fn nobody_learns_which_accounts_there_are() {
    let house = house().await;
    let mut browser = house.browser();
    let of = async |browser: &mut Browser, address: &str| {
        browser.get(&format!("{THUNDERBIRD}{address}")).await
    };
    let known = of(&mut browser, "bob@heimpost.local").await.expect(200);
    let unknown = of(&mut browser, "nobody@HEIMPOST.local").await.expect(200);
    assert_eq!(known.body, unknown.body);
    let without = browser.get(WELL_KNOWN).await.expect(200);
    assert_eq!(known.body, without.body);
    for foreign in ["bob@elsewhere.example", "bob", "%3Cx%3E@%3Cy%3E", "@"] {
        of(&mut browser, foreign).await.expect(404);
    }
    let mut strange = at("evil.example", &browser);
    of(&mut strange, "bob@heimpost.local").await.expect(421);
    house.stop().await;
}

fn outlook(address: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <Autodiscover xmlns=\"http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006\">\
         <Request><EMailAddress>{address}</EMailAddress><AcceptableResponseSchema>\
         http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a\
         </AcceptableResponseSchema></Request></Autodiscover>"
    )
}

#[tokio::test]
async fn autodiscover_answers_outlook() {
    let house = house().await;
    let browser = house.browser();
    let mut host = at("autodiscover.heimpost.local", &browser);
    let kind = [("Content-Type", "text/xml")];
    for path in [
        "/autodiscover/autodiscover.xml",
        "/Autodiscover/Autodiscover.xml",
    ] {
        let asked = outlook("nobody@heimpost.local");
        let page = host
            .ask("POST", path, &kind, asked.as_bytes())
            .await
            .expect(200);
        let text = page.text();
        assert_eq!(
            element(&text, "<Type>IMAP</Type>", "LoginName"),
            "nobody@heimpost.local"
        );
        assert_eq!(element(&text, "<Type>SMTP</Type>", "AuthRequired"), "on");
        let server = element(&text, "<Type>IMAP</Type>", "Server");
        assert_eq!(server, house.settings.hostname.as_str());
    }
    let path = "/autodiscover/autodiscover.xml";
    for wrong in [
        outlook("bob@elsewhere.example"),
        outlook("<x>"),
        "\u{0}".to_owned(),
    ] {
        let page = host
            .ask("POST", path, &kind, wrong.as_bytes())
            .await
            .expect(200);
        assert!(page.has("<ErrorCode>600</ErrorCode>"), "{}", page.text());
    }
    let huge = vec![b'x'; 300 << 10];
    let page = host.ask("POST", path, &kind, &huge).await;
    assert!(page.status >= 400, "{}", page.status);
    host.get(path).await.expect(405);
    house.stop().await;
}

#[tokio::test]
async fn a_phone_fetches_its_profile_once() {
    let house = house().await;
    let mut bob = house.person("bob@heimpost.local").await;
    let (page, secret) = add(&mut bob, "mac", "A & B").await;
    let text = page.text();
    let (_, rest) = text.split_once("href=\"/hand/").unwrap();
    let link = format!("/hand/{}", rest.split('/').next().unwrap());
    let profile = format!("{link}/heimpost.mobileconfig");
    let mut phone = house.browser();
    let shown = phone.get(&link).await.expect(200);
    assert!(
        shown.has(&secret) && shown.has("Load the profile"),
        "{}",
        shown.text()
    );
    phone.ask("HEAD", &profile, &[], b"").await.expect(200);
    let page = phone.get(&profile).await.expect(200);
    assert_eq!(
        page.header("content-type"),
        "application/x-apple-aspen-config"
    );
    assert_eq!(page.header("cache-control"), "no-store");
    let text = page.text();
    for part in [
        "<string>com.apple.mail.managed</string>",
        "<string>com.apple.security.root</string>",
        "<key>EmailAddress</key><string>bob@heimpost.local</string>",
        "A &amp; B",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert_eq!(text.matches(&secret).count(), 2, "to receive and to send");
    assert_eq!(
        text.matches("<dict>").count(),
        text.matches("</dict>").count()
    );
    phone.get(&profile).await.expect(404);
    assert!(phone.get(&link).await.expect(404).has("not good any more"));
    phone.get("/hand/guess").await.expect(404);
    house.stop().await;
}

#[tokio::test]
async fn a_phone_is_shown_a_code() {
    let house = house().await;
    let mut anna = house.person("anna@heimpost.local").await;
    for (kind, has_code) in [
        ("iphone", true),
        ("android", true),
        ("outlook", false),
        ("other", false),
    ] {
        let (page, _) = add(&mut anna, kind, "").await;
        assert_eq!(
            page.has("class=\"qr\""),
            has_code,
            "{kind}: {}",
            page.text()
        );
        assert!(page.body.len() < 60_000, "{kind}: {}", page.body.len());
    }
    house.stop().await;
}

#[tokio::test]
async fn the_authority_can_be_had() {
    let house = house().await;
    let mut browser = house.browser();
    let page = browser.get("/authority/").await.expect(200);
    for system in [
        "iPhone",
        "Android",
        "Windows",
        "macOS",
        "Linux",
        "Thunderbird",
    ] {
        assert!(page.has(system), "{system}");
    }
    let pem = browser.get("/authority/heimpost.pem").await.expect(200);
    assert!(
        pem.text().starts_with("-----BEGIN CERTIFICATE-----"),
        "{}",
        pem.text()
    );
    for name in ["crt", "der"] {
        let der = browser
            .get(&format!("/authority/heimpost.{name}"))
            .await
            .expect(200);
        assert_eq!(der.header("content-type"), "application/x-x509-ca-cert");
        assert_eq!(der.body.first(), Some(&0x30), "DER begins with a sequence");
        let digest = ring::digest::digest(&ring::digest::SHA256, &der.body);
        let pairs: Vec<String> = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        assert!(page.has(&pairs.join(" ")), "{}", page.text());
    }
    house.stop().await;
}
