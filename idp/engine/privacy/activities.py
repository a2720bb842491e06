"""Why data about people is processed at all: the activities of the record of processing (GDPR article 30)."""

from typing import Final

from idp.engine.privacy.vocabulary import Activity

ACCOUNTS: Final = Activity(
    "Accounts and profiles",
    "To keep an account for each person who uses the applications, and to tell those applications who they are.",
    "Performance of the contract about the account (GDPR article 6.1 b); consent for what nobody has to give (6.1 a).",
    "The applications that the person signs in to get what the person allowed them; nobody else.",
)
SIGN_IN: Final = Activity(
    "Signing in",
    "To let the person in and nobody else, and to end sign-ins when they are over.",
    "Performance of the contract (GDPR article 6.1 b); security of processing (6.1 f with 32).",
    "None. Applications learn when and by which kind of proof somebody signed in.",
)
AUTHORIZATION: Final = Activity(
    "Access of applications",
    "To give applications the access that the person allowed, and to take it back when the person does.",
    "Performance of the contract (GDPR article 6.1 b), following the person's permission in each case.",
    "The applications that the person signed in to, and the APIs that these call.",
)
MESSAGES: Final = Activity(
    "Messages",
    "To tell the person by mail what happens to their account, and applications when a sign-in is over.",
    "Performance of the contract (GDPR article 6.1 b); security of processing (6.1 f with 32).",
    "The mail server of the operator and that of the person; applications that asked to be told.",
)
SECURITY: Final = Activity(
    "Security log and protection against guessing",
    "To stop attacks on accounts, to find out about them afterwards, and to show who changed what.",
    "Legitimate interest in the security of accounts (GDPR article 6.1 f with 32).",
    "The operator, and whatever system the operator sends the log to.",
)
PROOF: Final = Activity(
    "Proof of consent",
    "To be able to show what somebody allowed or accepted, in which version, and when they took it back.",
    "Legal obligation to show consent (GDPR article 6.1 c with 7.1); defence of legal claims (17.3 e).",
    "None.",
)
RIGHTS: Final = Activity(
    "Rights of the person",
    "To give people a copy of what is held about them, and to see to it that who was erased stays erased.",
    "Legal obligation (GDPR article 6.1 c with 15, 17 and 20).",
    "The person themselves.",
)
ACTIVITIES: Final = (ACCOUNTS, SIGN_IN, AUTHORIZATION, MESSAGES, SECURITY, PROOF, RIGHTS)
