"""Flask glue shared by every door: hooks, cookies, CSRF, headers, locale, pages and error pages."""
