"""The static site: pages for people, with interactive charts that need no network."""
