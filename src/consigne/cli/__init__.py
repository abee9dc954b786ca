"""The command line: words and numbers in, calls of `Client`, words and numbers out.

main ──→ parser ──→ one module per family of commands ──→ consigne.client
   └──→ voice, the one place that speaks

Nothing is imported before it is needed, so that `consigne --help` is instant.
"""
