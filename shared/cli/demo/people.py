"""Invented people and companies. Every address is in a domain reserved for examples."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

Name = tuple[str, str, str]
"""A first name, a last name, and how both are spelt in an address."""

EUROPEAN: tuple[Name, ...] = (
    ("Sanne", "de Vries", "sanne.devries"), ("Daan", "Bakker", "daan.bakker"), ("Lotte", "Visser", "lotte.visser"),
    ("Bram", "Smit", "bram.smit"), ("Fleur", "Mulder", "fleur.mulder"), ("Jonas", "Weber", "jonas.weber"),
    ("Lena", "Hoffmann", "lena.hoffmann"), ("Élise", "Moreau", "elise.moreau"), ("Hugo", "Lefèvre", "hugo.lefevre"),
    ("Aoife", "Byrne", "aoife.byrne"), ("Marta", "Nowak", "marta.nowak"), ("Søren", "Holm", "soren.holm"),
    ("נועה", "לוי", "noa.levi"), ("איתי", "כהן", "itai.cohen"), ("תמר", "פרידמן", "tamar.friedman"),
    ("יונתן", "מזרחי", "yonatan.mizrahi"),
)  # fmt: skip
PERSIAN: tuple[Name, ...] = (
    ("سارا", "احمدی", "sara.ahmadi"), ("علی", "رضایی", "ali.rezaei"), ("مریم", "حسینی", "maryam.hosseini"),
    ("رضا", "کریمی", "reza.karimi"), ("نگار", "موسوی", "negar.mousavi"), ("امیر", "جعفری", "amir.jafari"),
    ("زهرا", "قاسمی", "zahra.ghasemi"), ("حسین", "نوری", "hossein.nouri"), ("شیرین", "صادقی", "shirin.sadeghi"),
    ("کاوه", "مرادی", "kaveh.moradi"), ("الهام", "رستمی", "elham.rostami"), ("بهرام", "شریفی", "bahram.sharifi"),
)  # fmt: skip
EUROPEAN_COMPANIES = (
    "Harbour Logistics", "Noorderlicht Energie", "Bluebell Clinics", "Atelier Verre", "Kern Maschinenbau",
    "Polder Foods", "Galilee Optics", "Windrush Media", "Oak & Iron", "Sterling Rail",
)  # fmt: skip
PERSIAN_COMPANIES = (
    "پارس صنعت", "داروسازی البرز", "نوین ارتباط", "کاشی یزد", "فولاد زاگرس", "بازرگانی خزر", "سپهر رایانه",
)  # fmt: skip
TITLES = (
    "Head of Operations", "CFO", "Owner", "Sales Director", "Engineer", "Office Manager", "Analyst", "Buyer",
    "Project Lead", "Marketing Intern", "Student", "IT Specialist", "Chief Technology Officer", "Accountant",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Person:
    """Who a simulated lead is."""

    name: str
    email: str
    phone: str
    company: str
    job_title: str


def a_person(rng: Random, unit: str, number: int) -> Person:
    """Somebody of a unit; `number` makes the address and the telephone number theirs alone."""
    persian = unit == "tehran"
    first, last, spelt = rng.choice(PERSIAN if persian else EUROPEAN)
    company = rng.choice(PERSIAN_COMPANIES if persian else EUROPEAN_COMPANIES)
    phone = f"+98912{3_000_000 + number:07d}" if persian else f"+316{12_000_000 + number:08d}"
    domain = "tehran.example.com" if persian else "europe.example.com"
    return Person(f"{first} {last}", f"{spelt}.{number}@{domain}", phone, company, rng.choice(TITLES))


_PERSIAN_DIGITS = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")


def as_typed(rng: Random, unit: str, phone: str) -> str:
    """A telephone number the way its owner may type it: local, with spaces, in Persian digits."""
    style = rng.random()
    if style < 0.5:
        return phone
    local = "0" + phone[3:]
    if unit == "tehran":
        return local.translate(_PERSIAN_DIGITS)
    return f"{local[:2]} {local[2:6]} {local[6:]}"
