"""Which sites send visitors as what: search engines, social networks, mailboxes. A small frozen list of well-known hosts,
ours (ADR 0010): a referrer that is not in it is a `referral` under its own host, so nothing is lost by its size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Referrer(NamedTuple):
    """Where somebody came from, in the words of campaign fields."""

    source: str
    medium: str


# One label of the host tells: google.com, google.co.uk and google.nl are one engine.
_SEARCH_BY_LABEL: Mapping[str, str] = {
    name: name for name in ("google", "bing", "yahoo", "yandex", "baidu", "ecosia", "qwant", "duckduckgo", "startpage",
                            "naver", "seznam", "sogou", "aol", "lycos", "zarebin", "parsijoo")
}  # fmt: skip
_BY_HOST: Mapping[str, Referrer] = {
    **{host: Referrer(source, "organic") for host, source in {
        "search.brave.com": "brave", "so.com": "so", "search.marginalia.nu": "marginalia", "kagi.com": "kagi",
        "ya.ru": "yandex", "swisscows.com": "swisscows", "mojeek.com": "mojeek", "petalsearch.com": "petal",
        "daum.net": "daum", "ask.com": "ask", "go.mail.ru": "mail.ru", "search.walla.co.il": "walla",
    }.items()},
    **{host: Referrer(source, "social") for host, source in {
        "facebook.com": "facebook", "fb.com": "facebook", "fb.me": "facebook", "messenger.com": "facebook",
        "instagram.com": "instagram", "threads.net": "threads", "threads.com": "threads", "linkedin.com": "linkedin",
        "lnkd.in": "linkedin", "twitter.com": "twitter", "x.com": "twitter", "t.co": "twitter", "youtube.com": "youtube",
        "youtu.be": "youtube", "tiktok.com": "tiktok", "pinterest.com": "pinterest", "pin.it": "pinterest",
        "reddit.com": "reddit", "quora.com": "quora", "snapchat.com": "snapchat", "telegram.org": "telegram",
        "t.me": "telegram", "telegram.me": "telegram", "whatsapp.com": "whatsapp", "wa.me": "whatsapp", "vk.com": "vk",
        "ok.ru": "ok", "weibo.com": "weibo", "wechat.com": "wechat", "xing.com": "xing", "medium.com": "medium",
        "bsky.app": "bluesky", "mastodon.social": "mastodon", "discord.com": "discord", "slack.com": "slack",
        "news.ycombinator.com": "hacker news", "aparat.com": "aparat", "eitaa.com": "eitaa", "bale.ai": "bale",
        "rubika.ir": "rubika", "soroush-app.ir": "soroush", "virgool.io": "virgool", "line.me": "line",
        "vimeo.com": "vimeo", "tumblr.com": "tumblr",
    }.items()},
    **{host: Referrer(source, "email") for host, source in {
        "mail.google.com": "gmail", "mail.yahoo.com": "yahoo mail", "outlook.live.com": "outlook",
        "outlook.office.com": "outlook", "outlook.office365.com": "outlook", "mail.aol.com": "aol mail",
        "mail.yandex.ru": "yandex mail", "mail.proton.me": "proton mail", "webmail.freenet.de": "freenet",
        "navigator.gmx.net": "gmx", "icloud.com": "icloud", "e.mail.ru": "mail.ru", "mail.zoho.com": "zoho mail",
    }.items()},
    **{host: Referrer(source, "referral") for host, source in {
        "chatgpt.com": "chatgpt", "chat.openai.com": "chatgpt", "gemini.google.com": "gemini", "claude.ai": "claude",
        "perplexity.ai": "perplexity", "copilot.microsoft.com": "copilot", "docs.google.com": "google docs",
        "sites.google.com": "google sites", "drive.google.com": "google drive", "meet.google.com": "google meet",
        "calendar.google.com": "google calendar", "groups.google.com": "google groups",
        "translate.google.com": "google translate", "support.google.com": "google support",
        "play.google.com": "google play", "apps.apple.com": "app store", "cafebazaar.ir": "cafe bazaar",
        "g2.com": "g2", "capterra.com": "capterra", "trustpilot.com": "trustpilot",
    }.items()},
}  # fmt: skip
_APPS: Mapping[str, Referrer] = {
    "com.google.android.gm": Referrer("gmail", "email"),
    "com.google.android.googlequicksearchbox": Referrer("google", "organic"),
    "com.linkedin.android": Referrer("linkedin", "social"),
    "com.facebook.katana": Referrer("facebook", "social"),
    "com.facebook.orca": Referrer("facebook", "social"),
    "com.instagram.android": Referrer("instagram", "social"),
    "com.twitter.android": Referrer("twitter", "social"),
    "org.telegram.messenger": Referrer("telegram", "social"),
    "com.whatsapp": Referrer("whatsapp", "social"),
    "com.slack": Referrer("slack", "social"),
    "com.reddit.frontpage": Referrer("reddit", "social"),
    "com.pinterest": Referrer("pinterest", "social"),
}


def referrer_of(host: str, *, app: bool = False) -> Referrer:
    """What a host, or an app by its package name, sends visitors as."""
    if app:
        return _APPS.get(host) or Referrer(host, "referral")
    parent = host
    while parent:
        known = _BY_HOST.get(parent)
        if known is not None:
            return known
        parent = parent.partition(".")[2]
    labels = host.split(".")
    # The name before the country's part of a host: google in google.com, google.co.uk and images.google.de.
    for place in (-2, -3):
        engine = _SEARCH_BY_LABEL.get(labels[place]) if len(labels) >= -place else None
        if engine is not None and (place == -2 or labels[-2] in ("co", "com")):
            return Referrer(engine, "organic")
    return Referrer(host, "referral")
