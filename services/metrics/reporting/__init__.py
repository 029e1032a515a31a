"""Numbers for people: what a report tells, asked of the KPI API's own answers, said in a language and drawn on a page.

`standard` and the policy say which numbers belong together (`Report`), `periods` which days are meant, `plan` what to ask,
`gathering` asks, `telling` makes a `Document` of it in somebody's language, and `html`, `table` or `printing` write that down.
"""
