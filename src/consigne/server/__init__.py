"""The host: keeps ciphertext it cannot read, and forgets it in time.

`endpoints` translate HTTP, `service` holds the rules and the crash-safe order,
`policy` only judges, `catalog` holds all SQL, `stores` keep the bytes. Nothing
here may import `consigne.format`: the host holds no code to decrypt with.
"""
