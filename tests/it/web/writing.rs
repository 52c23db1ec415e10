//! What tests of mail pages do as people do: fill in the form, look into mailboxes.

use super::client::{Browser, Page};

const BOUNDARY: &str = "--------x7";

/// A file that is attached: name, type, bytes.
pub(crate) type File<'a> = (&'a str, &'a str, &'a [u8]);

impl Browser {
    /// Opens a form at `path` and presses `deed`, with these fields in place of what stands there, and follows.
    pub(crate) async fn write(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        files: &[File<'_>],
        deed: &str,
    ) -> Page {
        let form = self.get(path).await.expect(200);
        self.write_into(&form, fields, files, deed).await
    }

    /// The same with a form that is open.
    pub(crate) async fn write_into(
        &mut self,
        form: &Page,
        fields: &[(&str, &str)],
        files: &[File<'_>],
        deed: &str,
    ) -> Page {
        let all = filled(form, fields, deed);
        let page = self.post_form("/mail/compose", &all, files).await;
        self.follow(page).await
    }

    /// Sends `multipart/form-data` as it stands.
    pub(crate) async fn post_form(
        &mut self,
        path: &str,
        fields: &[(String, String)],
        files: &[File<'_>],
    ) -> Page {
        let mut body = Vec::new();
        for (name, value) in fields {
            let head =
                format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n");
            body.extend_from_slice(format!("{head}{value}\r\n").as_bytes());
        }
        for (name, kind, bytes) in files {
            let head = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
                 Content-Type: {kind}\r\n\r\n"
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(bytes);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        self.ask("POST", path, &[("Content-Type", &kind)], &body)
            .await
    }

    /// How many messages the mailbox of that label has.
    pub(crate) async fn count(&mut self, label: &str) -> u32 {
        let page = self.get("/mail/mailboxes").await.expect(200).text();
        let (_, row) = page.split_once(&format!(">{label}</a></td>")).unwrap();
        let (_, number) = row.split_once("\">").unwrap();
        number.split('<').next().unwrap().parse().unwrap()
    }

    /// The id of the mailbox of that label.
    pub(crate) async fn mailbox(&mut self, label: &str) -> String {
        let page = self.get("/mail/mailboxes").await.expect(200).text();
        let (before, _) = page.split_once(&format!("\">{label}</a></td>")).unwrap();
        before.rsplit("/mail/box/").next().unwrap().to_owned()
    }

    /// The serials of the messages there, newest first.
    pub(crate) async fn serials(&mut self, label: &str) -> Vec<String> {
        let id = self.mailbox(label).await;
        let page = self.get(&format!("/mail/box/{id}")).await.expect(200);
        let mut serials: Vec<String> = Vec::new();
        for rest in page.text().split("/mail/message/").skip(1) {
            let serial: String = rest.chars().take_while(char::is_ascii_digit).collect();
            if !serials.contains(&serial) {
                serials.push(serial);
            }
        }
        serials
    }

    /// The source of a message.
    pub(crate) async fn source(&mut self, serial: &str) -> String {
        let path = format!("/mail/message/{serial}/source");
        self.get(&path).await.expect(200).text()
    }
}

/// The fields of a form as a browser sends them.
pub(crate) fn filled(form: &Page, fields: &[(&str, &str)], deed: &str) -> Vec<(String, String)> {
    let text = form.text();
    let mut all = Vec::new();
    for name in [
        "form",
        "key",
        "answers",
        "in_reply_to",
        "references",
        "from",
        "to",
        "cc",
        "bcc",
        "name",
        "subject",
    ] {
        all.push((name.to_owned(), value_of(&text, name)));
    }
    all.push(("text".to_owned(), typed_text(&text)));
    all.push(("draft".to_owned(), value_of(&text, "draft")));
    for kept in text.split("name=\"keep\" value=\"").skip(1) {
        let value = kept.split('"').next().unwrap();
        all.push(("keep".to_owned(), value.to_owned()));
    }
    for (name, value) in fields {
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, slot)) => (*value).clone_into(slot),
            None => all.push(((*name).to_owned(), (*value).to_owned())),
        }
    }
    all.push(("deed".to_owned(), deed.to_owned()));
    all
}

/// The value of a form's field.
pub(crate) fn value_of(text: &str, name: &str) -> String {
    let form = text
        .split_once("data-autosave")
        .map_or(text, |(_, form)| form);
    let Some((_, rest)) = form.split_once(&format!("name=\"{name}\"")) else {
        return String::new();
    };
    let tag = rest.split('>').next().unwrap();
    let value = tag.split_once("value=\"").map_or("", |(_, value)| value);
    unescaped(value.split('"').next().unwrap())
}

fn typed_text(text: &str) -> String {
    let (_, rest) = text.split_once("name=\"text\"").unwrap();
    let (_, rest) = rest.split_once(">\n").unwrap();
    unescaped(rest.split("</textarea>").next().unwrap())
}

fn unescaped(text: &str) -> String {
    let text = text.replace("&lt;", "<").replace("&gt;", ">");
    text.replace("&quot;", "\"").replace("&amp;", "&")
}
