"""Networks that learnt on other pictures, and whose features may stand for the local classifier's.

Inception's are what a published FID is made of; ImageNet's are there without a file, and need no classes in the data.
"""
