"""Every rate and size of the simulated world, by name."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class RecordRates:
    """How one register writes a person down: what is missing, old or misspelt (shares of its records)."""

    every_given_name: float  # all given names stand in first_name, not only the call name
    nickname: float  # a nickname instead of the call name
    former_name: float  # the name before marriage, among those who changed theirs
    variant: float  # another transliteration, among foreign names
    folded: float  # å, ä, ö lost: Hamalainen (among names that have them)
    transliterated: float  # å, ä, ö spelt out: Haemaelaeinen (among names that have them)
    mojibake: float  # UTF-8 read as Latin-1: HÃ¤mÃ¤lÃ¤inen (among names that have them)
    typo: float  # one slip of the finger in the first or last name
    swapped: float  # first and last name in each other's field
    capitals: float  # both names in capitals
    no_birth_date: float  # birth date missing
    birth_date_error: float  # day and month swapped, a digit off or a year off
    email: float  # an e-mail address is known
    email_if_login: float  # … of people with a login
    other_email: float  # … and it is another one of the person's addresses
    phone: float  # a phone number is known
    other_phone: float  # … and it is another one of the person's numbers
    no_address: float  # the address is missing
    former_address: float  # the address before the move, among those who moved
    no_flat: float  # the street without staircase and flat
    placeholder: float  # a made-up value in one field: test@test.fi, 0400000000, 1900-01-01, "ei ole"


@dataclass(frozen=True)
class Rates:
    """All rates and sizes; shares are between 0 and 1, counts are means."""

    # People and households
    household_sizes: tuple[float, ...] = (0.19, 0.27, 0.19, 0.21, 0.09, 0.05)  # share of 1..6 persons
    couple: float = 0.85  # the second member of a household is the first one's spouse
    child_age: tuple[int, int] = (13, 24)  # children of customers' age, in years
    swedish: float = 0.06  # Swedish-speaking households
    foreign: float = 0.08  # households of another mother tongue
    second_name: float = 0.75  # persons with a second given name
    call_name_is_second: float = 0.12  # … who are called by it
    hyphenated_first: float = 0.04  # double call names: Anna-Maria
    married_name: float = 0.75  # spouses who took the family name
    hyphenated_last: float = 0.08  # spouses with both names: Virtanen-Korhonen
    twins: float = 0.02  # households with two children or more whose first two are twins
    father_son: float = 0.02  # sons named as their fathers
    moved: float = 0.16  # households that moved in the last years
    abroad: float = 0.01  # persons half a year abroad, with an address and a phone there
    shared_email: float = 0.06  # households of two or more with one family mailbox
    recycled_phone: float = 0.006  # persons whose former number now rings at somebody else's
    staff: float = 0.008  # the retailer's own people
    test_records: float = 0.003  # test records per person
    mystery_shoppers: float = 0.003  # mystery shoppers per person
    companies: float = 0.004  # companies per person, each one mailbox and two or three contact persons

    # Who is seen where
    loyalty: float = 0.55
    crm: float = 0.55
    crm_duplicate: float = 0.18  # persons in the CRM with a second contact
    crm_triplicate: float = 0.25  # … and of those with a third
    login: float = 0.35
    token: float = 0.44  # persons paying with plastic of their own
    token_if_member: float = 0.72  # … and members doing so
    second_token: float = 0.2  # … who have two
    app: float = 0.28  # members and people with a login who have the app

    # Loyalty
    loyalty_record: RecordRates = field(
        default=RecordRates(
            every_given_name=0.35,
            nickname=0.02,
            former_name=0.35,
            variant=0.3,
            folded=0.04,
            transliterated=0.015,
            mojibake=0.015,
            typo=0.03,
            swapped=0.01,
            capitals=0.01,
            no_birth_date=0.04,
            birth_date_error=0.025,
            email=0.66,
            email_if_login=0.9,
            other_email=0.25,
            phone=0.62,
            other_phone=0.3,
            no_address=0.03,
            former_address=0.4,
            no_flat=0.12,
            placeholder=0.012,
        )
    )
    parallel_holder: float = 0.6  # further members of a household on its principal holder's account
    replaced_card: float = 0.04  # members with an older, closed card
    linking_open: float = 0.92  # persons in favour of having their data combined
    linking_yes_if_open: tuple[float, float, float] = (0.975, 0.94, 0.94)  # … who say so: loyalty, crm, web
    linking_yes_if_not: tuple[float, float, float] = (0.3, 0.2, 0.2)  # others who say yes all the same
    permission_asked: float = 0.6  # any other permission has been asked
    permission_asked_crm: float = 0.48  # … in the CRM
    permission_earlier: float = 0.08  # … and there is an earlier, different answer
    benefit_shown: float = 0.6  # the question said what the customer gains

    # CRM
    crm_record: RecordRates = field(
        default=RecordRates(
            every_given_name=0.08,
            nickname=0.06,
            former_name=0.5,
            variant=0.4,
            folded=0.07,
            transliterated=0.03,
            mojibake=0.02,
            typo=0.05,
            swapped=0.02,
            capitals=0.03,
            no_birth_date=0.3,
            birth_date_error=0.035,
            email=0.6,
            email_if_login=0.85,
            other_email=0.25,
            phone=0.62,
            other_phone=0.3,
            no_address=0.12,
            former_address=0.45,
            no_flat=0.2,
            placeholder=0.02,
        )
    )
    loyalty_no_in_crm: float = 0.16  # contacts of members that hold the member number
    second_contact_point: float = 0.12  # contacts with two e-mail addresses or phone numbers
    pick_up: float = 0.05  # contacts whose address is a pick-up point
    delivery_address: float = 0.02  # contacts whose address is where a present was sent
    contact_point_permission: float = 0.05  # contacts with an unsubscribed address
    interaction: float = 0.28  # interactions per contact
    mood_known: float = 0.6  # conversations whose mood was noted
    complaint_open: float = 0.35  # complaints still open at the first delivery
    complaint_closed: float = 0.4  # … of which closed in a later delivery
    personal_free_text: float = 0.12  # free texts with the caller's name, phone or e-mail in them

    # Register changes after the first delivery
    new_later: float = 0.006  # records that first appear in a later delivery
    corrected: float = 0.015  # records sent again with current values
    deleted: float = 0.004  # records deleted
    withdrawn: float = 0.015  # persons who withdraw a permission
    objection: float = 0.5  # withdrawals of e-mail marketing that are objections

    # Tills
    receipts: float = 1.1  # receipts a buyer and 30 days, beside one for each piece of plastic
    extra_lines: float = 0.6  # receipt lines beyond the first
    two_pieces: float = 0.08  # lines with two pieces of a product
    cash: float = 0.1  # receipts paid in cash by people who have plastic
    card_shown: float = 0.72  # receipts of members with their loyalty card
    other_card: float = 0.02  # receipts with the card of another household member
    e_receipt: float = 0.1  # receipts sent by e-mail
    e_receipt_online: float = 0.8  # … of the web shop
    home_store: float = 0.75  # receipts from the store of the home town, where there is one
    returns: float = 0.02  # receipts that take goods back
    discount: float = 0.22  # lines with a discount
    corrected_line: float = 0.01  # lines of the day before sent again with another amount
    cancelled_line: float = 0.3  # … of which cancelled altogether
    late: float = 0.1  # receipts of the last day or two that come a day late

    # Web and app
    anonymous_visitor: float = 0.15  # persons without a login who visit the web shop
    extra_cookies: float = 0.6  # cookies beyond the first one of a person with a login
    cleared_cookie: float = 0.05  # persons who clear their cookie and get a new one
    shared_tablet: float = 0.15  # households with two logins or more that share a tablet
    extra_sessions: float = 0.5  # sessions of a cookie beyond the first
    tablet_sessions: int = 5  # sessions of a shared tablet
    landing_on_product: float = 0.4  # visits that begin at a product
    extra_views: float = 1.6  # page views of a session beyond the first
    login_other_email: float = 0.12  # logins made with another of the person's addresses
    login_session: float = 0.35  # further sessions with a login
    registration: float = 0.12  # first logins that are registrations
    logout: float = 0.3  # login sessions that end with a logout
    search: float = 0.25  # sessions with a search
    filter_survey: float = 0.06  # sessions that answer the question after filtering
    add_to_cart: float = 0.12  # sessions with something put in the cart
    consent_choice: float = 0.8  # cookies whose banner is answered
    tag_blocked: float = 0.08  # sessions that are seen in the access log only
    bot_hits: float = 0.15  # bot requests per person
    app_events: float = 2.0  # app events beyond the first
    app_product: float = 0.3  # … that show a product
    tracking_allowed: float = 0.45  # phones whose system allows tracking
    survey: float = 0.06  # anonymous survey answers per person
    survey_cookie: float = 0.4  # … with the cookie field filled

    # Rows a contract must refuse
    bad_rows: float = 0.0005  # share of a file's rows, at least one in the feeds that have any


RATES = Rates()
"""The rates of the world we ship."""
