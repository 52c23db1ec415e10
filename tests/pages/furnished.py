"""A box with people and mail in it, so that pages have something to show."""

import smtplib
from email.message import EmailMessage

from box import Box, until

NAMES = ["Ben Berger", "Carla Conti", "Dörte Dahl", "Emil Engel", "Frieda Fuchs"]
SUBJECTS = ["Rechnung März", "Photos of the garden", "Termin am Dienstag", "Re: Your order", "Einladung zum Fest"]
# A picture of one pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cf500f0003860180a5a2"
    "4f2c0000000049454e44ae426082"
)


def letter(number, to):
    mail = EmailMessage()
    name = NAMES[number % len(NAMES)]
    mail["From"] = f"{name} <{name.split()[0].lower().replace('ö', 'oe')}@else.test>"
    mail["To"] = to
    mail["Subject"] = f"{SUBJECTS[number % len(SUBJECTS)]} {number}"
    mail["Date"] = f"Sun, 22 Nov 2026 {number % 12:02}:{number % 60:02}:00 +0100"
    mail["Message-ID"] = f"<furnished-{number}@else.test>"
    if number % 5 == 3:
        mail["In-Reply-To"] = f"<furnished-{number - 1}@else.test>"
        mail["References"] = f"<furnished-{number - 1}@else.test>"
    mail.set_content(f"Guten Tag,\n\nthis is letter {number}. See https://example.com/?n={number}\n\n> quoted\n> twice\n\nBye\n")
    if number % 3 == 0:
        html = f"<p>Guten Tag,</p><p>this is <b>letter {number}</b>. <img src='https://tracker.example/x.png' alt=''></p>"
        mail.add_alternative(html, subtype="html")
    if number % 4 == 0:
        mail.add_attachment(PNG, maintype="image", subtype="png", filename=f"Bild {number}.png")
    return mail


def deliver(box, mails, to):
    with smtplib.SMTP("127.0.0.1", box.ports["smtp"]) as smtp:
        for mail in mails:
            smtp.send_message(mail, from_addr="sender@else.test", to_addrs=[to])


def furnished(letters=60, extra_config=""):
    """The owner Anna, Bob, an alias, a device; Anna's letters in INBOX. Names are of a domain that DNS does not know."""
    box = Box(extra_config + "\n[receive]\nverify = false\n")
    box.start()
    anna = box.account("anna")
    bob = box.account("bob", "--language", "de")
    box.run("alias", "add", "info@example.org", anna)
    box.device(anna, "Annas Telefon")
    deliver(box, (letter(number, anna) for number in range(letters)), anna)
    deliver(box, [letter(1, bob)], bob)
    until(lambda: f"{letters}" in box.run("account", "list", "--json").stdout, what="all letters")
    return box
