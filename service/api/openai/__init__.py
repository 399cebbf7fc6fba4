"""OpenAI's image generation, for clients that speak it.

images.py      the route
schemas.py     what is asked
prompts.py     which class a prompt means
answers.py     what is answered, at once or as events
errors.py      the shape of an error
documents.py   what the OpenAPI document says
"""
